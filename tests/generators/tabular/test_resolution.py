"""Made numbers keep the resolution of their column, and dates stay dates."""

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from generators.tabular.calendar_numbers import find_calendar, format_counts
from generators.tabular.frame import decode, encode
from generators.tabular.frame_file import load_codec, save_codec
from generators.tabular.resolution import find_decimals, find_step
from generators.tabular.sdv import GaussianCopula
from generators.tabular.smote import SMOTE
from schemas.plan import SampleRequest

RNG = np.random.default_rng(1)
START = dt.datetime(2021, 3, 1)


DAYS = [dt.datetime(2001, 1, 1) + dt.timedelta(days=n) for n in RNG.integers(0, 8_000, 60).tolist()]


def _month_end(day: dt.datetime) -> dt.datetime:
    return (day.replace(day=28) + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)


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
    "month": pa.array([int((START + dt.timedelta(days=n)).strftime("%Y%m")) for n in _draw(1500)]),
    "short": pa.array([int((dt.datetime(1996, 1, 1) + dt.timedelta(days=n)).strftime("%y%m%d")) for n in _draw(4000)]),
    "moment": pa.array([int((START + dt.timedelta(minutes=n)).strftime("%Y%m%d%H%M")) for n in _draw(500_000)]),
    "second": pa.array([int((START + dt.timedelta(seconds=n)).strftime("%Y%m%d%H%M%S")) for n in _draw(9_000_000)]),
    "hour": pa.array([int((START + dt.timedelta(hours=n)).strftime("%Y%m%d%H")) for n in _draw(9_000)]),
    "clock": pa.array([n // 60 * 100 + n % 60 for n in _draw(1440)]),
    "gaps": pa.array([float(d.strftime("%Y%m%d")) if d.day % 5 else None for d in DAYS], pa.float64()),
    "starts": pa.array([d.replace(day=1).date() for d in DAYS], pa.date32()),
    "starts_as_times": pa.array([d.replace(day=1) for d in DAYS], pa.timestamp("us")),
    "ends": pa.array([_month_end(d).date() for d in DAYS], pa.date32()),
    "quarters": pa.array([_month_end(d.replace(month=d.month - 1 - (d.month - 1) % 3 + 3)).date() for d in DAYS]),
    "starts_as_numbers": pa.array([int(d.strftime("%Y%m01")) for d in DAYS]),
    "float32": pa.array([float(np.float32(n / 100)) for n in _draw(100_000)]),
    "decimal": pa.array([n * 0.01 for n in _draw(100_000)]),
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
        "month": lambda value: dt.datetime.strptime(str(value), "%Y%m"),
        "short": lambda value: dt.datetime.strptime(f"{value:06}", "%y%m%d"),
        "moment": lambda value: dt.datetime.strptime(str(value), "%Y%m%d%H%M"),
        "second": lambda value: dt.datetime.strptime(str(value), "%Y%m%d%H%M%S"),
        "hour": lambda value: dt.datetime.strptime(str(value), "%Y%m%d%H"),
        "clock": lambda value: dt.datetime.strptime(f"{value:04}", "%H%M"),
        "gaps": lambda value: dt.datetime.strptime(str(int(value)), "%Y%m%d") and value.is_integer(),
        "starts": lambda value: value.day == 1,
        "starts_as_times": lambda value: value.day == 1 and value.time() == dt.time(),
        "ends": lambda value: (value + dt.timedelta(days=1)).day == 1,
        "quarters": lambda value: (value + dt.timedelta(days=1)).day == 1 and value.month % 3 == 0,
        "starts_as_numbers": lambda value: dt.datetime.strptime(str(value), "%Y%m01"),
        "float32": lambda value: value == float(np.float32(round(value, 2))),
        "decimal": lambda value: abs(round(value, 2) - value) < 1e-9,
    }
    return all(checks[name](value) for value in values if value is not None)


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


def _equal(one: pa.Table, other: pa.Table) -> bool:
    """Whether tables are equal; products such as 3 * 0.01 come back as the number that is meant, 0.03."""
    if not pa.types.is_floating(one["x"].type):
        return one.equals(other)
    pairs = zip(one["x"].to_pylist(), other["x"].to_pylist(), strict=True)
    return all(a == b or abs(a - b) <= 1e-15 * abs(b) for a, b in pairs)


@pytest.mark.parametrize("name", COLUMNS)
def test_what_lies_between_is_brought_to_it(name: str, tmp_path: Path) -> None:
    table = pa.table({"x": COLUMNS[name], "y": ["a"] * 60})
    codec, frame = encode(table, "y", np.random.default_rng(0), max_categories=50, smooth=True)
    back = decode(codec, frame, "a", np.random.default_rng(0))
    assert _equal(back, table)
    save_codec(codec, tmp_path)
    codec = load_codec(tmp_path)
    assert _equal(decode(codec, frame, "a", np.random.default_rng(0)), table)
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
    assert find_step(np.array(values, np.int64), None, pa.int64()) == step


def _counts(values: list, kind: pa.DataType | None = None) -> tuple[str, int | None] | None:
    array = pa.array(values, kind)
    found = find_calendar(array)
    if found is None:
        return None
    calendar, counts = found
    nulls = array.is_null().to_numpy(zero_copy_only=False)
    written = format_counts(calendar, pc.fill_null(counts, 0).to_numpy(), nulls, array.type)
    assert written.equals(array)
    return calendar.pattern, calendar.day


def test_numbers_are_dates_only_if_all_are() -> None:
    assert _counts([20240229, None, 19991231]) == ("YYYY-MM-DD", None)
    assert _counts([20240229.0, None]) == ("YYYY-MM-DD", None)
    for wrong in (20230229, 20241301, 20240100, 20240132, 1, 22000101, -20240229):
        assert _counts([20240229, wrong]) is None
    assert _counts([], pa.int64()) is None
    assert _counts([None] * 3, pa.int64()) is None
    assert _counts([20240229.5]) is None


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([202401, 202402, 202312, 199912], ("YYYY-MM", None)),
        ([202401, 202402, 202412], None),  # by chance
        ([240229, 991231, 101, 690101], ("YY-MM-DD", None)),
        ([112, 201, 305, 1231], None),
        ([202402292359, 202402290000], ("YYYY-MM-DD-hh-mm", None)),
        ([20240229235959], ("YYYY-MM-DD-hh-mm-ss", None)),
        ([20240229236059], None),
        ([n // 60 * 100 + n % 60 for n in range(0, 1440, 45)], ("hh-mm", None)),
        (list(range(0, 2400, 50)), None),
        (list(range(60)), None),
        ([20240131, 20240229, 20230228, 20231231], ("YYYY-MM-DD", 0)),
        ([20240115, 20240215, 20230315, 20231115], ("YYYY-MM-DD", 15)),
        ([20240115, 20240215, 20230315], ("YYYY-MM-DD", None)),
    ],
)
def test_what_fits_by_chance_is_no_date(values: list[int], found: tuple[str, int | None] | None) -> None:
    assert _counts(values) == found


def test_days_of_dates_and_times() -> None:
    ends = [dt.date(2024, 1, 31), None, dt.date(2024, 2, 29), dt.date(1969, 12, 31), dt.date(2023, 2, 28)]
    assert _counts(ends, pa.date32()) == ("", 0)
    starts = [dt.datetime(2000 + n, 1, 1) for n in range(5)]
    assert _counts(starts, pa.timestamp("us")) == ("", 1)
    assert _counts([*starts, dt.datetime(2000, 1, 1, 1)], pa.timestamp("us")) is None
    assert _counts([dt.date(2024, 1, n) for n in range(1, 9)], pa.date32()) is None


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1.25, 2.5], (2, False)),
        ([float(np.float32(n / 10)) for n in range(9)], (1, True)),
        ([0.1 + 0.2, 1.1], (1, False)),
        ([1.1300000000000001, 2.675], (3, False)),
        (np.random.default_rng(0).random(50).tolist(), (None, False)),
    ],
)
def test_decimals_of_float32_and_of_what_was_computed(values: list[float], found: tuple[int | None, bool]) -> None:
    assert find_decimals(np.array(values)) == found
