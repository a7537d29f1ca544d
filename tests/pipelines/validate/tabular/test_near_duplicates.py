from datetime import date, timedelta

import pyarrow as pa
import pytest

from pipelines.validate.tabular.near_duplicates import NearDuplicates, NearDuplicatesParams

REAL = {
    "id": list(range(200)),
    "x": [float(k) for k in range(200)],
    "n": [k * 10 for k in range(200)],
    "day": [date(2020, 1, 1) + timedelta(days=100 * k) for k in range(200)],
    "few": [0.0] * 150 + [float(k) for k in range(50)],
    "same": [1.0] * 200,
    "word": ["a", "b"] * 100,
    "flag": [True, None] * 100,
    "label": [0, 1] * 100,
}


def _row(**changed) -> pa.Table:
    """Row 60 with some values changed."""
    values = {name: column[60] for name, column in REAL.items()} | {"id": 999} | changed
    schema = pa.table(REAL).schema
    return pa.table({name: pa.array([value], schema.field(name).type) for name, value in values.items()})


@pytest.fixture(scope="module")
def fitted(plan_of, batch_of) -> NearDuplicates:
    validator = NearDuplicates(NearDuplicatesParams(), plan_of(pa.table(REAL), "label"))
    validator.fit([batch_of(pa.table(REAL).slice(0, 77)), batch_of(pa.table(REAL).slice(77))])
    return validator


@pytest.mark.parametrize(
    ("changed", "near"),
    [
        ({}, True),
        ({"x": 60.7}, True),  # the scale of x is 99.5 / 1.349 = 73.8
        ({"x": 60.8}, False),
        ({"x": 59.3, "n": 607, "day": date(2036, 6, 4) + timedelta(days=70)}, True),
        ({"n": 608}, False),
        ({"day": date(2036, 6, 4) + timedelta(days=80)}, False),
        ({"few": 0.1}, True),  # its quartiles are equal: the scale is the standard deviation, 12.8
        ({"few": 0.2}, False),
        ({"same": 1.0000001}, False),
        ({"same": None}, False),
        ({"x": None}, False),
        ({"x": float("inf")}, False),
        ({"word": "b"}, False),
        ({"flag": None}, False),
        ({"label": 1}, False),
    ],
)
def test_definition_in_a_table(fitted, batch_of, changed, near) -> None:
    verdict = fitted.check(batch_of(_row(**changed)))
    assert verdict.keep.tolist() == [not near]
    assert verdict.details == ({"close to a real row": 1} if near else {})


@pytest.mark.parametrize("changed", [{}, {"x": None}, {"x": float("inf")}, {"word": None}, {"same": 5.0}])
def test_rows_are_near_themselves(fitted, batch_of, changed) -> None:
    twice = pa.concat_tables([_row(**changed), _row(**changed)])
    assert fitted.novelty().admit(fitted.sketch(batch_of(twice))).tolist() == [True, False]


def test_null_is_near_null_in_real_rows(plan_of, batch_of) -> None:
    table = pa.table({"x": [1.0, None, 3.0], "y": [None, "u", "v"], "label": ["a", "a", "b"]})
    validator = NearDuplicates(NearDuplicatesParams(tolerance=0), plan_of(table, "label"))
    validator.fit([batch_of(table)])
    assert not validator.check(batch_of(table)).keep.any()


def test_switched_off(plan_of, batch_of) -> None:
    params = NearDuplicatesParams(against_real=False, among_synthetic=False)
    validator = NearDuplicates(params, plan_of(pa.table(REAL), "label"))
    validator.fit([batch_of(pa.table(REAL))])
    batch = batch_of(pa.concat_tables([_row(), _row()]))
    assert validator.check(batch).keep.all()
    assert validator.novelty().admit(validator.sketch(batch)).all()
