from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.validate.tabular import grid
from pipelines.validate.tabular.near_duplicates import NearDuplicates, NearDuplicatesParams
from pipelines.validate.tabular.near_memory import NearSet, pack


def _greedy(groups: np.ndarray, points: np.ndarray) -> list[bool]:
    """The definition: near none that was kept before."""
    kept: list[int] = []
    for row in range(len(groups)):
        if not any(groups[row] == groups[k] and (np.abs(points[row] - points[k]) <= 1).all() for k in kept):
            kept.append(row)
    return [row in set(kept) for row in range(len(groups))]


@settings(deadline=None)
@given(
    rows=st.integers(0, 120),
    width=st.integers(0, 6),
    groups=st.integers(1, 4),
    spread=st.sampled_from([0.5, 3.0, 12.0, 1e17]),
    digits=st.sampled_from([0, 1, 12]),
    cut=st.integers(1, 130),
    seed=st.integers(0, 2**32),
)
def test_a_near_set_admits_what_the_definition_does(rows, width, groups, spread, digits, cut, seed) -> None:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, rows).astype(np.uint64)
    points = np.round(rng.normal(size=(rows, width)) * spread, digits)
    novelty = NearSet()
    sketches = pack(group, points)
    new = [novelty.admit(sketches[start : start + cut]) for start in range(0, rows, cut)]
    assert np.concatenate([*new, np.zeros(0, bool)]).tolist() == _greedy(group, points)
    assert len(novelty) == sum(map(sum, new))


@pytest.mark.parametrize("pairs", [1 << 20, 7])
def test_cells_find_every_near_point(monkeypatch: pytest.MonkeyPatch, pairs: int) -> None:
    monkeypatch.setattr(grid, "_PAIRS", pairs)
    rng = np.random.default_rng(0)
    groups, points = rng.integers(0, 3, 500).astype(np.uint64), np.round(rng.normal(size=(500, 5)) * 2, 1)
    order, keys, starts = grid.sort_cells(grid.own_cells(groups, points))
    asked = np.round(rng.normal(size=(200, 5)) * 2, 1)
    found = grid.Cells(keys, starts, points[order]).is_near(groups[:200], asked)
    close = (np.abs(asked[:, None] - points[None]) <= 1).all(axis=2) & (groups[:200, None] == groups[None])
    assert 5 < close.any(axis=1).sum() < 195
    np.testing.assert_array_equal(found, close.any(axis=1))


def test_a_memory_of_many_points_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.arange(0, 30_000, 3, dtype=float)[:, None]
    groups = np.zeros(len(points), np.uint64)
    novelty = NearSet()
    assert novelty.admit(pack(groups, points)).all()
    assert not novelty.admit(pack(groups, points + 1)).any()
    assert novelty.admit(pack(groups, points + 1.5)).all()


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
