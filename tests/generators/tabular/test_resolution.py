"""Made numbers keep the resolution of their column, and dates stay dates."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from generators.tabular.frame import decode, encode
from generators.tabular.resolution import calendar_days, step_of
from generators.tabular.sdv import GaussianCopula
from generators.tabular.smote import SMOTE
from schemas.plan import SampleRequest

RNG = np.random.default_rng(1)
START = dt.datetime(2021, 3, 1)


def _draw(most: int, least: int = 0) -> list[int]:
    return RNG.integers(least, most, 60).tolist()


COLUMNS = {
    "minute": pa.array([START + dt.timedelta(minutes=n) for n in _draw(500_000)], pa.timestamp("us")),
    "quarter": pa.array([START + dt.timedelta(minutes=15 * n) for n in _draw(9_000)], pa.timestamp("us")),
    "monday": pa.array([START.date() + dt.timedelta(weeks=n) for n in _draw(200)], pa.date32()),
    "five": pa.array([5 * n for n in _draw(40, -40)]),
    "hundred": pa.array([100 * n + 50 for n in _draw(90)]),
    "half": pa.array([n / 2 for n in _draw(90)]),
    "price": pa.array([n + 0.99 for n in _draw(90)]),
    "cents": pa.array([n / 100 for n in _draw(100_000)]),
    "day": pa.array([int((START + dt.timedelta(days=n)).strftime("%Y%m%d")) for n in _draw(1500)]),
}


def _kept(name: str, values: list) -> bool:
    checks = {
        "minute": lambda value: value.second == value.microsecond == 0,
        "quarter": lambda value: value.minute % 15 == value.second == value.microsecond == 0,
        "monday": lambda value: value.weekday() == 0,
        "five": lambda value: value % 5 == 0,
        "hundred": lambda value: value % 100 == 50,
        "half": lambda value: (value * 2).is_integer(),
        "price": lambda value: round(value % 1, 9) == 0.99,
        "cents": lambda value: round(value, 2) == value,
        "day": lambda value: dt.datetime.strptime(str(value), "%Y%m%d"),
    }
    return all(checks[name](value) for value in values)


@pytest.mark.parametrize("maker", [SMOTE, GaussianCopula], ids=lambda maker: maker.__name__)
def test_made_numbers_keep_the_resolution_of_their_column(maker) -> None:
    table = pa.table({**COLUMNS, "y": ["a", "b"] * 30})
    generator = maker(maker.Params())
    generator.fit(table, "y", 0)
    made = generator.sample(SampleRequest(stratum="a", chunk=0, rows=200, seed=1))
    assert made.schema.equals(table.schema)
    for name, values in COLUMNS.items():
        assert _kept(name, values.to_pylist())
        assert _kept(name, made[name].to_pylist()), name
        assert len(pc.unique(made[name])) > 10


@pytest.mark.parametrize("name", COLUMNS)
def test_what_lies_between_is_brought_to_it(name: str) -> None:
    table = pa.table({"x": COLUMNS[name], "y": ["a"] * 60})
    codec, frame = encode(table, "y", np.random.default_rng(0), max_categories=50, smooth=True)
    back = decode(codec, frame, "a", np.random.default_rng(0))
    assert back.equals(table)
    frame["n0"] += np.random.default_rng(0).normal(size=60) * frame["n0"].std()
    assert _kept(name, decode(codec, frame, "a", np.random.default_rng(0))["x"].to_pylist())


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ([20, 34, 48], 1),  # by chance
        ([20, 34, 48, 62, 90], 14),
        ([0, 100, 500], 100),
        ([1, 2, 3, 5], 1),
        (list(range(0, 40, 2)), 2),
        ([-(2**63), 2**63 - 1], 1),
        ([7], 1),
    ],
)
def test_a_step_that_may_be_chance_is_none(values: list[int], step: int) -> None:
    assert step_of(np.array(values, np.int64), None, pa.int64()) == step


def test_integers_are_dates_only_if_all_are() -> None:
    assert calendar_days(pa.array([20240229, None, 19991231])).to_pylist() == [
        dt.date(2024, 2, 29),
        None,
        dt.date(1999, 12, 31),
    ]
    for wrong in (20230229, 20241301, 20240100, 20240132, 1, 22000101):
        assert calendar_days(pa.array([20240229, wrong])) is None
    assert calendar_days(pa.nulls(3, pa.int64())) is None
    assert calendar_days(pa.array([20240229.0])) is None
