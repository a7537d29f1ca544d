"""A plan whose builds are timed and estimated."""

import pytest

from pipelines.plan.planning import make_plan
from pipelines.plan.rates import row_width
from schemas.spec import Spec, parse
from tests.pipelines.plan.test_rates import WIDTH


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """2,000 rows: 1,600 of `x`, and 400 of `z`, for which 1,200 are to be made."""
    place = tmp_path_factory.mktemp("source")
    rows = "".join(f"{n % 97},{n % 7},{'x' if n % 5 else 'z'}\n" for n in range(2000))
    (place / "t.csv").write_text(f"a,b,y\n{rows}")
    source = {"path": str(place / "t.csv"), "label": "y"}
    generator = {"name": "tvae", "params": {"epochs": 3}, "chunk_rows": 100}
    spec = {"name": "t", "source": source, "generator": generator, "output": {"path": str(place / "out")}}
    made = make_plan(parse(Spec, spec))
    assert row_width(made) == WIDTH
    return made
