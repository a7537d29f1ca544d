"""What is promised about hostile input: a plan whose rows can be read, or one plain message with exit code 2 or 3.

`MAKEWEIGHT_EXAMPLES` in the environment says how many examples a property is tried on: few in the suite, 10,000 in
`make soak`.
"""

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from generators.image.codec import decode
from pipelines.plan.planning import make_plan
from pipelines.source import read_source
from schemas.errors import MakeweightError
from schemas.plan import Plan
from schemas.spec import Spec, parse

hostile = settings(
    max_examples=int(os.environ.get("MAKEWEIGHT_EXAMPLES", "40")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def kept(spec: Spec) -> bool:
    """Whether a plan is made of the spec and all its rows are read; anything but that or a refusal fails the test."""
    try:
        plan = make_plan(spec)
        tables = list(read_source(spec.source, plan.profile))
    except MakeweightError as error:
        refused_plainly(error)
        return False
    assert sum(table.num_rows for table in tables) == plan.profile.rows
    assert Plan.model_validate_json(plan.model_dump_json()) == plan, "actors get the plan as it was made"
    for table in tables:
        table.validate(full=True)
        if plan.profile.image:
            assert all(decode(image["bytes"]).size for image in table[plan.profile.image].to_pylist())
    return True


def refused_plainly(error: MakeweightError) -> None:
    """Check that the error ends in exit code 2 or 3, and that its message can be shown on any terminal."""
    assert error.exit_code in (2, 3), error
    message = str(error)
    assert message.encode()
    assert all(letter.isprintable() or letter in "\n\u00a0\u3000" or ord(letter) > 255 for letter in message), message
    assert len(message) < 20_000, f"a message of {len(message):,} characters"


def spec_of(path: object, label: str = "y", **parts: Any) -> Spec:
    """Return a spec of that source which needs no model; parts of it may be given."""
    source = {"path": str(path), "label": label, **parts.pop("source", {})}
    data = {"name": "hostile", "source": source, "generator": {"name": "resample"}, "output": {"path": f"{path}-out"}}
    return parse(Spec, data | parts)


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """Return one of the seeds with a few spots changed, and sometimes without its end."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 6))] = draw(st.binary(max_size=6))
    if draw(st.integers(0, 4)) == 0:
        del data[draw(st.integers(0, len(data))) :]
    return bytes(data)
