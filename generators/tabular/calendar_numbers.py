"""Dates that are written as numbers (YYYYMMDD, YYYYMM, HHMM), or are all of one day of their month. Knows arrays alone.

A model learns them as counts (of days, months, minutes, ...), so that what it makes is a date, and such a one, too.
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
"""Years of two digits from this one on are of the century before, as POSIX has it."""
_FEWEST = 4
"""Different values that short patterns, or one day of the month, do not fit by chance."""
_MOST_DAY = 28
_DAY = 86_400_000_000
_CHANCE = 1_000
_WHOLE = 2.0**53


@dataclass(frozen=True)
class Calendar:
    """How a column is written: the `pattern` of its numbers (none of dates and times), and the one `day` of the month.

    Of day 0 it is the last one of each month; None where there are several.
    """

    pattern: str
    day: int | None = None

    @property
    def unit(self) -> str:
        """What is counted, as NumPy calls it."""
        return "M" if self.day is not None else _UNITS[self.pattern.rpartition("-")[2]]


def find_calendar(values: pa.Array) -> tuple[Calendar, pa.Array] | None:
    """Return how dates are written in a column, and their counts since 1970 (int64); nothing if they are not."""
    known = values.drop_null()
    if not len(known):
        return None
    if pa.types.is_date32(values.type) or pa.types.is_timestamp(values.type):
        days = _days(known)
        found = None if days is None else _monthly("", days)
    else:
        numbers = _numbers(known)
        found = None if numbers is None else _written(numbers)
    if found is None:
        return None
    calendar, counts = found
    missing = values.is_null().to_numpy(zero_copy_only=False)
    all_counts = np.zeros(len(values), np.int64)
    all_counts[~missing] = counts
    return calendar, pa.array(all_counts, mask=missing)


def as_written(calendar: Calendar, counts: Whole, nulls: NDArray[np.bool_], kind: pa.DataType) -> pa.Array:
    """Return counts as the column writes them, in its type, null where `nulls`."""
    moments = np.where(nulls, 0, counts).astype(f"datetime64[{calendar.unit}]")
    if calendar.day is not None:
        days = moments.astype("datetime64[D]") + calendar.day - 1
        moments = days if calendar.day else (moments + 1).astype("datetime64[D]") - 1
    if not calendar.pattern:
        whole = moments.astype(np.int64)
        if pa.types.is_date32(kind):
            return pa.array(whole.astype(np.int32), mask=nulls).view(kind)
        return pa.array(whole * _DAY, mask=nulls).view(kind)
    numbers = _joined(calendar.pattern, moments)
    return pa.array(numbers.astype(np.float64) if pa.types.is_floating(kind) else numbers, mask=nulls)


def _numbers(values: pa.Array) -> Whole | None:
    """Return whole numbers, of doubles too if all are whole; else nothing."""
    found: Any = values.to_numpy(zero_copy_only=False) if not pa.types.is_boolean(values.type) else None
    if found is None:
        return None
    if found.dtype == np.int64:
        return np.asarray(found, np.int64)
    if found.dtype != np.float64 or not (np.abs(found) < _WHOLE).all() or not np.array_equal(np.floor(found), found):
        return None
    return np.asarray(found, np.int64)


def _days(values: pa.Array) -> NDArray[Any] | None:
    """Return dates as days, times too if all are midnight."""
    if pa.types.is_date32(values.type):
        return np.asarray(values.view(pa.int32()).to_numpy().astype("datetime64[D]"))
    micros = values.view(pa.int64()).to_numpy()
    return None if values.type.unit != "us" or (micros % _DAY).any() else (micros // _DAY).astype("datetime64[D]")


def _written(numbers: Whole) -> tuple[Calendar, Whole] | None:
    for pattern in _PATTERNS:
        moments = _moments(numbers, pattern)
        if moments is not None and _is_sure(numbers, pattern):
            monthly = _monthly(pattern, moments) if pattern.endswith("DD") else None
            return monthly or (Calendar(pattern), moments.astype(np.int64))
    return None


def _monthly(pattern: str, days: NDArray[Any]) -> tuple[Calendar, Whole] | None:
    """Return the calendar of days that are all the same one of their month, or all the last; else nothing."""
    months = days.astype("datetime64[M]")
    first = int(((days[:1] - months[:1].astype("datetime64[D]")).astype(np.int64) + 1)[0])
    if first <= _MOST_DAY and np.array_equal(months.astype("datetime64[D]") + first - 1, days):
        day = first
    elif np.array_equal((months + 1).astype("datetime64[D]") - 1, days):
        day = 0
    else:
        return None
    return (Calendar(pattern, day), months.astype(np.int64)) if len(np.unique(months)) >= _FEWEST else None


def _moments(numbers: Whole, pattern: str) -> NDArray[Any] | None:
    """Return the moments that numbers stand for (NumPy's datetime64 of the pattern's unit), or nothing."""
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
    return _with_days(months, parts) if "DD" in parts else months


def _with_days(months: NDArray[Any], parts: dict[str, Whole]) -> NDArray[Any] | None:
    found: NDArray[Any] = months.astype("datetime64[D]") + (parts["DD"] - 1)
    if not ((parts["DD"] >= 1) & (found.astype("datetime64[M]") == months)).all():
        return None
    for part in ("hh", "mm", "ss"):
        if part in parts:
            unit = _UNITS[part]
            found = found.astype(f"datetime64[{unit}]") + parts[part].astype(f"timedelta64[{unit}]")
    return found


def _is_sure(numbers: Whole, pattern: str) -> bool:
    """Whether numbers do not fit a pattern by chance, as a few short ones may."""
    distinct = np.unique(numbers)
    if pattern.startswith("YYYY-MM-DD"):
        return True
    if pattern == "hh-mm":
        step = math.gcd(100, *(int(number) for number in distinct))
        share = len(range(0, 60, step)) / len(range(0, 100, step))
        hours = len(np.unique(distinct // 100))
        return hours >= _FEWEST and share < 1 and len(distinct) * math.log(1 / share) >= math.log(_CHANCE)
    return len(distinct) >= _FEWEST and (pattern != "YY-MM-DD" or int(distinct[-1]) >= 10_000)


def _joined(pattern: str, moments: NDArray[Any]) -> Whole:
    """Return moments as numbers of the pattern."""
    number = np.zeros(len(moments), np.int64)
    for part in pattern.split("-"):
        number = number * 10 ** len(part) + _part(part, moments) % 10 ** len(part)
    return number


def _part(part: str, moments: NDArray[Any]) -> Whole:
    unit = _UNITS[part]
    whole: Whole = moments.astype(f"datetime64[{unit}]").astype(np.int64)
    if unit == "Y":
        return whole + 1970
    above = {"M": "Y", "D": "M", "h": "D", "m": "h", "s": "m"}[unit]
    start = moments.astype(f"datetime64[{above}]").astype(f"datetime64[{unit}]").astype(np.int64)
    return whole - start + (unit in "MD")
