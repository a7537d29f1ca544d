"""How finely the numbers of a column are written: whole minutes, multiples of 5, quarters, decimals.

Knows arrays alone. A model's numbers are brought to that resolution, since numbers between give made rows away, or mean
nothing at all.
"""

import math

import numpy as np
import pyarrow as pa

_UNITS = (86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000, 1_000)
"""A day, an hour, a minute, a second and a millisecond, in microseconds."""
_CHANCE = 1_000
"""Numbers have a step in common that they would have by chance once in so many columns, or more rarely."""
_FEWEST = 3
_WHOLE = 2.0**53
_MOST_DECIMALS = 12
_DIGITS, _CLOSE = 15, 4 * float(np.finfo(np.float64).eps)
"""Digits that a double holds, and how far it may be from a number of so few: it was computed, or read from decimals."""


def step_of(distinct: np.ndarray, decimals: int | None, kind: pa.DataType) -> int:
    """Return the greatest step between sorted distinct values that is no chance, in units of their last decimal.

    Of `n` numbers without a resolution all differences are multiples of `g` by chance once in `g ** (n - 1)` columns.
    """
    if distinct.dtype.kind == "f":
        whole = _scaled(distinct, decimals)
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


def _scaled(values: np.ndarray, decimals: int | None) -> list[int] | None:
    """Return the distances of doubles from the least, as whole numbers of their last decimal, if they are exact."""
    if decimals is None:
        return None
    with np.errstate(over="ignore"):
        scaled = np.round(values * 10.0**decimals)
    if not np.isfinite(scaled).all() or np.abs(scaled).max() > _WHOLE:
        return None
    return [int(value) for value in scaled - scaled[0]]


def decimals_of(values: np.ndarray) -> tuple[int | None, bool]:
    """Return the decimals that all doubles are rounded to, None where that is not so; and whether they were float32."""
    places = range(_MOST_DECIMALS + 1)
    with np.errstate(over="ignore", invalid="ignore"):  # a number so large has no decimals to find
        exact = next((d for d in places if np.array_equal(np.round(values, d), values)), None)
        if exact is not None:
            return exact, False
        narrow = values.astype(np.float32)
        if np.array_equal(narrow.astype(np.float64), values):
            found = (d for d in places if np.array_equal(np.round(values, d).astype(np.float32), narrow))
            return next(found, None), True
        most = np.abs(values).max()
        held = (d for d in places if most * 10.0**d < 10.0**_DIGITS)
        return next(
            (d for d in held if (np.abs(np.round(values, d) - values) <= _CLOSE * np.abs(values)).all()), None
        ), False
