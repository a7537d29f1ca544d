"""Dates written as numbers (YYYYMMDD, YYYYMM, HHMM), and dates of one fixed day of the month. Knows arrays alone.

A model learns them as counts of days, months or minutes, so that every number that it makes is a date of the same form.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Whole = NDArray[np.int64]

_PATTERNS = ("YYYY-MM-DD", "YYYY-MM-DD-hh-mm-ss", "YYYY-MM-DD-hh-mm", "YYYY-MM-DD-hh", "YYYY-MM", "YY-MM-DD", "hh-mm")
"""How numbers are written, without the dashes: `20240229` is 29 February 2024."""
_UNITS = {"YYYY": "Y", "YY": "Y", "MM": "M", "DD": "D", "hh": "h", "mm": "m", "ss": "s"}
_BELOW = {"hh": 24, "mm": 60, "ss": 60}
_YEARS = (1800, 2199)
_PIVOT = 69
"""Two-digit years from this one on belong to the 1900s, as in POSIX."""
_FEWEST = 4
"""With at least so many distinct values, a short pattern or a fixed day of the month is no chance."""
_MOST_DAY = 28
_DAY = 86_400_000_000
_CHANCE = 1_000
_WHOLE = 2.0**53


@dataclass(frozen=True)
class Calendar:
    """How a column writes dates: the `pattern` of its numbers (empty for dates), and a fixed `day` of the month.

    Day 0 is the last day of each month; None means that the days differ.

    >>> Calendar("YYYY-MM-DD").unit, Calendar("YYYY-MM").unit
    ('D', 'M')
    """

    pattern: str
    day: int | None = None

    @property
    def unit(self) -> str:
        """The unit of the counts, as a NumPy code."""
        return "M" if self.day is not None else _UNITS[self.pattern.rpartition("-")[2]]


def find_calendar(values: pa.Array) -> tuple[Calendar, pa.Array] | None:
    """Return the calendar of a column and its counts since 1970 (int64); None if the column holds no dates.

    >>> calendar, counts = find_calendar(pa.array([20240228, 20240229, 20240301]))
    >>> calendar.pattern, counts.to_pylist()
    ('YYYY-MM-DD', [19781, 19782, 19783])
    """
    known = values.drop_null()
    if not len(known):
        return None
    if pa.types.is_date32(values.type) or pa.types.is_timestamp(values.type):
        days = _to_days(known)
        match = None if days is None else _match_month_day("", days)
    else:
        numbers = _to_whole_numbers(known)
        match = None if numbers is None else _match_pattern(numbers)
    if match is None:
        return None
    calendar, counts = match
    missing = values.is_null().to_numpy(zero_copy_only=False)
    all_counts = np.zeros(len(values), np.int64)
    all_counts[~missing] = counts
    return calendar, pa.array(all_counts, mask=missing)


def format_counts(calendar: Calendar, counts: Whole, nulls: NDArray[np.bool_], kind: pa.DataType) -> pa.Array:
    """Return counts in the form and the type of the column, null where `nulls`.

    >>> format_counts(Calendar("YYYY-MM-DD"), np.array([19782]), np.array([False]), pa.int64()).to_pylist()
    [20240229]
    """
    moments = np.where(nulls, 0, counts).astype(f"datetime64[{calendar.unit}]")
    if calendar.day is not None:
        days = moments.astype("datetime64[D]") + calendar.day - 1
        moments = days if calendar.day else (moments + 1).astype("datetime64[D]") - 1
    if not calendar.pattern:
        whole = moments.astype(np.int64)
        if pa.types.is_date32(kind):
            return pa.array(whole.astype(np.int32), mask=nulls).view(kind)
        return pa.array(whole * _DAY, mask=nulls).view(kind)
    numbers = _to_numbers(calendar.pattern, moments)
    return pa.array(numbers.astype(np.float64) if pa.types.is_floating(kind) else numbers, mask=nulls)


def _to_whole_numbers(values: pa.Array) -> Whole | None:
    """Return the numbers as int64 if all are whole, doubles too; else None."""
    numbers: Any = values.to_numpy(zero_copy_only=False) if not pa.types.is_boolean(values.type) else None
    if numbers is None:
        return None
    if numbers.dtype == np.int64:
        return np.asarray(numbers, np.int64)
    if (
        numbers.dtype != np.float64
        or not (np.abs(numbers) < _WHOLE).all()
        or not np.array_equal(np.floor(numbers), numbers)
    ):
        return None
    return np.asarray(numbers, np.int64)


def _to_days(values: pa.Array) -> NDArray[Any] | None:
    """Return dates as days, and times as days if all are midnight; else None."""
    if pa.types.is_date32(values.type):
        return np.asarray(values.view(pa.int32()).to_numpy().astype("datetime64[D]"))
    micros = values.view(pa.int64()).to_numpy()
    return None if values.type.unit != "us" or (micros % _DAY).any() else (micros // _DAY).astype("datetime64[D]")


def _match_pattern(numbers: Whole) -> tuple[Calendar, Whole] | None:
    for pattern in _PATTERNS:
        moments = _parse_moments(numbers, pattern)
        if moments is not None and _is_sure(numbers, pattern):
            monthly = _match_month_day(pattern, moments) if pattern.endswith("DD") else None
            return monthly or (Calendar(pattern), moments.astype(np.int64))
    return None


def _match_month_day(pattern: str, days: NDArray[Any]) -> tuple[Calendar, Whole] | None:
    """Return the calendar and counts of days that are all the same day, or all the last, of their month; else None."""
    months = days.astype("datetime64[M]")
    first = int(((days[:1] - months[:1].astype("datetime64[D]")).astype(np.int64) + 1)[0])
    if first <= _MOST_DAY and np.array_equal(months.astype("datetime64[D]") + first - 1, days):
        day = first
    elif np.array_equal((months + 1).astype("datetime64[D]") - 1, days):
        day = 0
    else:
        return None
    return (Calendar(pattern, day), months.astype(np.int64)) if len(np.unique(months)) >= _FEWEST else None


def _parse_moments(numbers: Whole, pattern: str) -> NDArray[Any] | None:
    """Return the moments that the numbers stand for (datetime64 of the pattern's unit), or None."""
    parts: dict[str, Whole] = {}
    for part in reversed(pattern.split("-")):
        parts[part], numbers = numbers % 10 ** len(part), numbers // 10 ** len(part)
    if numbers.any() or any((parts[part] >= below).any() for part, below in _BELOW.items() if part in parts):
        return None
    if "MM" not in parts:
        return (parts["hh"] * 60 + parts["mm"]).astype("datetime64[m]")
    year = parts["YYYY"] if "YYYY" in parts else parts["YY"] + np.where(parts["YY"] < _PIVOT, 2000, 1900)
    if year.min() < _YEARS[0] or year.max() > _YEARS[1] or not ((parts["MM"] >= 1) & (parts["MM"] <= 12)).all():
        return None
    months = ((year - 1970) * 12 + parts["MM"] - 1).astype("datetime64[M]")
    return _add_days(months, parts) if "DD" in parts else months


def _add_days(months: NDArray[Any], parts: dict[str, Whole]) -> NDArray[Any] | None:
    moments: NDArray[Any] = months.astype("datetime64[D]") + (parts["DD"] - 1)
    if not ((parts["DD"] >= 1) & (moments.astype("datetime64[M]") == months)).all():
        return None
    for part in ("hh", "mm", "ss"):
        if part in parts:
            unit = _UNITS[part]
            moments = moments.astype(f"datetime64[{unit}]") + parts[part].astype(f"timedelta64[{unit}]")
    return moments


def _is_sure(numbers: Whole, pattern: str) -> bool:
    """Whether the numbers fit the pattern by more than chance, which a few short numbers may do."""
    distinct = np.unique(numbers)
    if pattern.startswith("YYYY-MM-DD"):
        return True
    if pattern == "hh-mm":
        step = math.gcd(100, *(int(number) for number in distinct))
        share = len(range(0, 60, step)) / len(range(0, 100, step))
        hours = len(np.unique(distinct // 100))
        return hours >= _FEWEST and share < 1 and len(distinct) * math.log(1 / share) >= math.log(_CHANCE)
    return len(distinct) >= _FEWEST and (pattern != "YY-MM-DD" or int(distinct[-1]) >= 10_000)


def _to_numbers(pattern: str, moments: NDArray[Any]) -> Whole:
    """Return the moments as numbers of the pattern."""
    number = np.zeros(len(moments), np.int64)
    for part in pattern.split("-"):
        number = number * 10 ** len(part) + _extract_part(part, moments) % 10 ** len(part)
    return number


def _extract_part(part: str, moments: NDArray[Any]) -> Whole:
    unit = _UNITS[part]
    whole: Whole = moments.astype(f"datetime64[{unit}]").astype(np.int64)
    if unit == "Y":
        return whole + 1970
    above = {"M": "Y", "D": "M", "h": "D", "m": "h", "s": "m"}[unit]
    start = moments.astype(f"datetime64[{above}]").astype(f"datetime64[{unit}]").astype(np.int64)
    return whole - start + (unit in "MD")
