"""The resolution of the numbers of a column: whole minutes, multiples of 5, quarters, decimals. Knows arrays alone.

Made numbers are rounded to that resolution, since numbers between the steps show that a row is made, or mean nothing.
"""

import math

import numpy as np
import pyarrow as pa

_UNITS = (86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000, 1_000)
"""A day, an hour, a minute, a second and a millisecond, in microseconds."""
_CHANCE = 1_000
"""A common step counts if chance would bring it in at most one of so many columns."""
_FEWEST = 3
_WHOLE = 2.0**53
_MOST_DECIMALS = 12
_DIGITS, _CLOSE = 15, 4 * float(np.finfo(np.float64).eps)
"""Digits that a double holds, and the relative error of one that was computed, or read from decimals."""


def find_step(distinct: np.ndarray, decimals: int | None, kind: pa.DataType) -> int:
    """Return the greatest step between sorted distinct values that is no chance, in units of their last decimal.

    Of `n` numbers without a resolution all differences are multiples of `g` by chance once in `g ** (n - 1)` columns.

    >>> find_step(np.arange(0, 100, 5), None, pa.int64())
    5
    """
    if distinct.dtype.kind == "f":
        whole = _scale_to_whole(distinct, decimals)
    else:
        whole = [int(value) - int(distinct[0]) for value in distinct]
    if whole is None or len(whole) < _FEWEST:
        return 1
    step = math.gcd(*whole)
    if pa.types.is_timestamp(kind):
        unit = next((unit for unit in _UNITS if not (distinct.astype(np.int64) % unit).any()), 1)
    else:
        unit = 1
    sure = step > unit and (len(whole) - 1) * math.log(step // unit) >= math.log(_CHANCE)
    return step if sure and step % unit == 0 else unit


def _scale_to_whole(values: np.ndarray, decimals: int | None) -> list[int] | None:
    """Return the distances of doubles from the least, in units of the last decimal, if they are exact; else None."""
    if decimals is None:
        return None
    with np.errstate(over="ignore"):
        scaled = np.round(values * 10.0**decimals)
    if not np.isfinite(scaled).all() or np.abs(scaled).max() > _WHOLE:
        return None
    return [int(value) for value in scaled - scaled[0]]


def find_decimals(values: np.ndarray) -> tuple[int | None, bool]:
    """Return the decimals that all doubles are rounded to (None if there are none), and whether they were float32.

    >>> find_decimals(np.array([0.25, 1.5]))
    (2, False)
    """
    digits = range(_MOST_DECIMALS + 1)
    with np.errstate(over="ignore", invalid="ignore"):  # a number so large has no decimals to find
        exact = next((d for d in digits if np.array_equal(np.round(values, d), values)), None)
        if exact is not None:
            return exact, False
        narrow = values.astype(np.float32)
        if np.array_equal(narrow.astype(np.float64), values):
            matches = (d for d in digits if np.array_equal(np.round(values, d).astype(np.float32), narrow))
            return next(matches, None), True
        most = np.abs(values).max()
        candidates = (d for d in digits if most * 10.0**d < 10.0**_DIGITS)
        return next(
            (d for d in candidates if (np.abs(np.round(values, d) - values) <= _CLOSE * np.abs(values)).all()), None
        ), False
