"""Made ids look like the real ones, and are none of them."""

import re
import string
import uuid

import numpy as np
import pyarrow as pa
import pytest

from pipelines.plan.model_view import fresh_ids, ids_needed
from pipelines.plan.planning import make_plan
from pipelines.plan.stream import chunk_request
from pipelines.source.id_forms import FormState, made_ids
from schemas.spec import Spec, parse

RNG = np.random.default_rng(5)


def _random(letters, length, count):
    return ["".join(RNG.choice(list(letters), length)) for _ in range(count)]


IDS = {
    "hex": (_random("0123456789abcdef", 32, 200), "[0-9a-f]{32}"),
    "few": (_random("0123456789abcdef", 32, 20), "[0-9a-f]{32}"),
    "upper": (_random("0123456789ABCDEF", 16, 200), "[0-9A-F]{16}"),
    "uuid": (
        [str(uuid.UUID(bytes=RNG.bytes(16), version=4)) for _ in range(300)],
        "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    ),
    "order": ([f"ORD-{n}" for n in range(1000, 1200)], r"ORD-1[2-9]\d\d|ORD-[2-9]\d\d\d"),
    "unpadded": ([f"u{n}" for n in range(1, 150)], r"u(1[5-9]\d|[2-9]\d\d|\d{4,})"),
    "padded": ([f"{n:06d}" for n in range(40)], r"000\d{3}"),
    "years": ([f"INV-202{n % 3}-{n:04d}" for n in range(200)], r"INV-202[0-2]-\d{4}"),
    "within": ([f"INV-{n:03d}-A" for n in range(1, 180)], r"INV-\d{3,}-A"),
    "endings": ([f"INV-{n}-{'ABC'[n % 3]}" for n in range(100, 280)], r"INV-\d{3,}-[ABC]"),
    "mail": ([f"user{n}@example.com" for n in range(100, 280)], r"user\d{3,}@example.com"),
    "code": (_random(string.ascii_uppercase + string.digits, 8, 150), "[0-9A-Z]{8}"),
}


@pytest.mark.parametrize("name", IDS)
def test_made_ids_keep_the_form_and_are_no_real_ones(tmp_path, name):
    real, form = IDS[name]
    rows = [f"{one},{n % 13},{'b' if n % 7 == 0 else 'a'}" for n, one in enumerate(real)]
    (tmp_path / "t.csv").write_text("\n".join(["row_id,x,y", *rows]) + "\n")
    data = {"name": "t", "source": {"path": str(tmp_path / "t.csv"), "label": "y"}, "generator": {"name": "resample"}}
    plan = make_plan(parse(Spec, data | {"output": {"path": str(tmp_path / "o")}}))
    column = plan.profile.column("row_id")
    assert (column.role, column.type) == ("id", "string")
    made = []
    for stratum in plan.strata:
        for chunk in range(3):
            made += fresh_ids(column, chunk_request(plan.seed, stratum, chunk), plan).to_pylist()
    assert len(made) > 20
    assert len({*made, *real}) == len(made) + len(real)
    assert [one for one in made if not re.fullmatch(form, one)] == []
    assert ids_needed(plan) >= len(made)


def test_blocks_of_several_lengths_and_columns_that_become_text_late():
    state = FormState()
    for block in (["a-8", "a-9"], ["a-10", "a-11"], ["a-7"]):
        state.observe(pa.array(block))
    form = state.finish(5)
    assert made_ids(form, [0, 1, 200], 1000, "") == ["a-12", "a-13", "a-212"]
    assert state.finish(6) is None  # one was seen as a number


def test_the_manifest_does_not_name_ids(tmp_path):
    from pipelines.dataset.publish import _public_columns

    rows = [f"ORD-{n},{n % 13},{'b' if n % 7 == 0 else 'a'}" for n in range(1000, 1100)]
    (tmp_path / "t.csv").write_text("\n".join(["row_id,x,y", *rows]) + "\n")
    data = {"name": "t", "source": {"path": str(tmp_path / "t.csv"), "label": "y"}, "generator": {"name": "resample"}}
    plan = make_plan(parse(Spec, data | {"output": {"path": str(tmp_path / "o")}}))
    assert plan.profile.column("row_id").form.most == "ORD-1099"
    assert [column.form for column in _public_columns(plan)] == [None] * 3


def test_where_all_are_taken_there_is_no_form_to_keep():
    state = FormState()
    state.observe(pa.array([f"{a}{b}" for a in "ab" for b in "ab"]))
    assert made_ids(state.finish(4), range(10), 10**6, "") is None


@pytest.mark.parametrize("room", [1, 2, 7, 36**4, 10**20])
def test_spread_numbers_are_all_different(room):
    from pipelines.source.id_forms import _spread

    some = range(min(room, 3000))
    found = [_spread(number, room) for number in some]
    assert len(set(found)) == len(some)
    assert all(0 <= one < room for one in found)


def test_made_numbers_of_many_digits_differ_in_all_places():
    real = [str(uuid.UUID(bytes=RNG.bytes(16), version=4)) for _ in range(300)]
    state = FormState()
    state.observe(pa.array(real))
    made = made_ids(state.finish(300), range(200), 1000, "salt")
    digits = [one.replace("-", "") for one in made]
    for start in (0, 4, 8, 20, 24, 28):  # between them are the version and the variant
        assert len({one[start : start + 4] for one in digits}) > 150


def test_numbers_of_few_digits_are_spread_as_ever():
    from pipelines.source.id_forms import _spread

    assert [_spread(number, 10**6) for number in (1, 2, 3)] == [618033, 236066, 854099]
