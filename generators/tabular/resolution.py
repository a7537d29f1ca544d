"""How finely the numbers of a column are written: whole minutes, multiples of 5, quarters, days as YYYYMMDD.

Knows arrays alone. A model's numbers are brought to that resolution, since numbers between give made rows away, or mean
nothing at all.
"""

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_UNITS = (86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000, 1_000)
"""A day, an hour, a minute, a second and a millisecond, in microseconds."""
_CHANCE = 1_000
"""Numbers have a step in common that they would have by chance once in so many columns, or more rarely."""
_FEWEST = 3
_WHOLE = 2.0**53
_YEARS = (1800, 2199)


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


def calendar_days(values: pa.Array) -> pa.Array | None:
    """Return integers that are all dates as YYYYMMDD as days, or nothing if they are not."""
    known = values.drop_null()
    if not pa.types.is_int64(values.type) or not len(known):
        return None
    numbers: Any = pc.fill_null(values, known[0]).to_numpy()
    years, months, days = numbers // 10_000, numbers // 100 % 100, numbers % 100
    if years.min() < _YEARS[0] or years.max() > _YEARS[1] or not ((months >= 1) & (months <= 12)).all():
        return None
    first = ((years - 1970) * 12 + months - 1).astype("datetime64[M]")
    found = first.astype("datetime64[D]") + (days - 1)
    if not ((days >= 1) & (found.astype("datetime64[M]") == first)).all():
        return None
    missing = values.is_null().to_numpy(zero_copy_only=False)
    return pa.array(found.astype(np.int64).astype(np.int32), pa.int32(), mask=missing).view(pa.date32())
