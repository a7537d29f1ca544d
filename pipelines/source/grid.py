"""Finds the step between large integers or decimals that doubles cannot hold, and rounds made numbers to it."""

import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyarrow as pa

from schemas.plan import Grid

_LOOKED_AT = 2_000
"""The most distinct cells of a block that are examined."""
_EXACT = 2**53
_CHANCE = 1_000
"""A step counts if numbers have it by chance in at most one of this many columns."""


@dataclass
class GridState:
    """The step of a column's numbers after the cells seen so far, in units of the last decimal."""

    step: int = 0
    first: int | None = None
    most: int = 0
    seen: set[int] = field(default_factory=set)

    def observe(self, cells: pa.Array) -> None:
        """Add cells without nulls; types other than decimals and uint64 are skipped, since doubles hold them."""
        if self.step == 1 or not len(cells) or not (pa.types.is_decimal(cells.type) or cells.type == pa.uint64()):
            return
        some = _units(cells.slice(0, _LOOKED_AT).unique())
        self.first = some[0] if self.first is None else self.first
        self.step = math.gcd(self.step, *(one - self.first for one in some))
        self.most = max(self.most, *map(abs, some))
        self.seen.update(some[: _LOOKED_AT - len(self.seen)])

    def finish(self) -> Grid | None:
        """Return the grid, or None if the step may be chance or all numbers fit into doubles."""
        if self.first is None or self.step < 2 or self.most <= _EXACT:
            return None
        sure = (len(self.seen) - 2) * math.log(self.step) >= math.log(_CHANCE)
        return Grid(step=str(self.step), rest=str(self.first % self.step)) if sure else None


def on_grid(values: pa.Array, grid: Grid | None) -> pa.Array:
    """Return the numbers, in the source's type, rounded to the nearest value of the grid that the type holds."""
    if grid is None or not len(values):
        return values
    kind, step, rest = values.type, int(grid.step), int(grid.rest)
    decimal = pa.types.is_decimal(kind)
    low, high = (1 - 10**kind.precision, 10**kind.precision - 1) if decimal else (0, 2**kind.bit_width - 1)
    made: list[int | None] = []
    for unit in _units(values):
        near = None if unit is None else rest + (unit - rest + step // 2) // step * step
        made.append(near if near is None or low <= near <= high else near + (step if near < low else -step))
    if decimal:
        return pa.array([None if unit is None else _number(unit, kind.scale) for unit in made], kind)
    return pa.array(made, kind)


def _units(values: pa.Array) -> list[Any]:
    """Return numbers as integers in units of the last decimal; nulls stay."""
    if not pa.types.is_decimal(values.type):
        return list(values.to_pylist())
    return [None if one is None else _unit(one, values.type.scale) for one in values.to_pylist()]


def _unit(number: Decimal, scale: int) -> int:
    sign, digits, power = number.as_tuple()
    whole: int = int("".join(map(str, digits))) * 10 ** (int(power) + max(0, scale)) // 10 ** max(0, -scale)
    return -whole if sign else whole


def _number(unit: int, scale: int) -> Decimal:
    """Return the decimal of `unit` units with all its digits, whatever the precision of the context."""
    digits = tuple(map(int, str(abs(unit))))
    return Decimal((int(unit < 0), digits, -scale))
