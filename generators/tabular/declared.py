"""Arrow columns to whole numbers and back by what was declared of them: no real row is looked at for it.

The codes of a column are its bins, then its categories, then the null. Cells beyond the bounds have the nearest bin,
values that were not declared the null's code. Numbers are drawn evenly within a bin.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from generators.tabular.codes import Codes, as_numbers, width_of
from generators.tabular.dp_params import Declared
from schemas.errors import GeneratorError, nearest

_LISTED = 20


@dataclass(frozen=True)
class DeclaredColumn:
    """One column: bin k holds numbers from `edges[k]` up to below `edges[k + 1]` (plain ones, see `as_numbers`)."""

    field: pa.Field
    edges: tuple[Any, ...]
    categories: pa.Array
    decimals: int | None
    nulls: bool

    @property
    def bins(self) -> int:
        """How many bins there are."""
        return max(0, len(self.edges) - 1)

    @property
    def size(self) -> int:
        """How many codes there are; the last is the null's."""
        return self.bins + len(self.categories) + 1

    def encode(self, cells: pa.Array) -> Codes:
        """Return the code of each cell."""
        found = np.full(len(cells), self.size - 1, np.int64)
        if self.bins:
            plain = as_numbers(cells)
            found = np.searchsorted(np.array(self.edges[1:-1], plain.dtype), plain, side="right").astype(np.int64)
        if len(self.categories):
            named = pc.index_in(cells, value_set=self.categories)
            found = np.where(named.is_valid(), self.bins + pc.fill_null(named, 0).to_numpy(), found)
        return np.where(_missing(cells), self.size - 1, found)

    def decode(self, codes: Codes, rng: np.random.Generator) -> pa.Array:
        """Return a value for each code."""
        drawn = rng.random(len(codes))
        in_bin = codes < self.bins
        place = pa.array(codes - self.bins, mask=in_bin | (codes == self.size - 1))
        named = self.categories.take(place)
        if not self.bins:
            return named
        made = self._numbers(np.where(in_bin, codes, 0), drawn)
        return pc.if_else(pa.array(in_bin), made, named)

    def _numbers(self, bins: Codes, drawn: NDArray[np.float64]) -> pa.Array:
        kind = self.field.type
        if not pa.types.is_floating(kind):
            wide = [after - before for before, after in zip(self.edges, self.edges[1:], strict=False)]
            whole = [
                self.edges[n] + min(int(u * wide[n]), wide[n] - 1)
                for n, u in zip(bins.tolist(), drawn.tolist(), strict=True)
            ]
            return pa.array(whole, pa.int64()).cast(width_of(kind)).view(kind)
        edges = np.array(self.edges)
        made = edges[bins] + drawn * (edges[bins + 1] - edges[bins])
        if self.decimals is not None:
            made = np.round(made, self.decimals)
        return pa.array(np.clip(made, edges[0], edges[-1]))


def declared_columns(
    schema: pa.Schema, label: str, declared: Mapping[str, Declared], bins: int
) -> list[DeclaredColumn]:
    """Return how each column but the label is coded; raises GeneratorError with all that are not declared."""
    fields = [field for field in schema if field.name != label]
    unknown = [field for field in fields if field.name not in declared and not pa.types.is_boolean(field.type)]
    if unknown:
        spare = declared.keys() - {field.name for field in fields}
        raise GeneratorError(_undeclared(unknown, spare))
    flags = Declared(categories=(False, True))
    return [_column(field, declared.get(field.name, flags), bins) for field in fields]


def _undeclared(fields: list[pa.Field], spare: Collection[str]) -> str:
    """Name the columns, and for the first what it is to be called if a name among `spare` is near."""
    names = ", ".join(f"{field.name!r} ({field.type})" for field in fields[:_LISTED])
    more = f" and {len(fields) - _LISTED} more" if len(fields) > _LISTED else ""
    first = fields[0]
    example = "{categories: [a, b]}" if pa.types.is_string(first.type) else "{bounds: [0, 100]}"
    meant = nearest(first.name, spare)
    return (
        f"what these columns may hold is not declared, and reading it off the real rows would give some of it away:"
        f" {names}{more}; say for each, as in columns: {{{first.name!r}: {example}}}"
        f"{meant if 'did you mean' in meant else ''}"
    )


def _column(field: pa.Field, told: Declared, bins: int) -> DeclaredColumn:
    categories = pa.array([_cell(value, field).as_py() for value in told.categories or ()], field.type).unique()
    return DeclaredColumn(field, _edges(field, told, told.bins or bins), categories, told.decimals, told.nulls)


def _edges(field: pa.Field, told: Declared, bins: int) -> tuple[Any, ...]:
    """Return the bins' bounds; those of whole numbers are whole, and the last lies one beyond the greatest."""
    if told.bounds is None:
        return ()
    if pa.types.is_string(field.type) or pa.types.is_boolean(field.type):
        raise GeneratorError(f"columns: {field.name!r} is of type {field.type} and has no bounds; list its categories")
    low, high = (as_numbers(pa.array([_cell(value, field).as_py()], field.type))[0].item() for value in told.bounds)
    if low > high:
        raise GeneratorError(f"columns: {field.name!r} has bounds {list(told.bounds)!r}, the greater first; swap them")
    if isinstance(low, float):
        bins = bins if low < high else 1
        return (*(low + (high - low) * k / bins for k in range(bins)), high)
    bins = min(bins, high - low + 1)
    return tuple(low + (high + 1 - low) * k // bins for k in range(bins + 1))


def _cell(value: Any, field: pa.Field) -> pa.Scalar:
    try:
        return pc.cast(pa.scalar(value), field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise GeneratorError(f"columns: {field.name!r} is of type {field.type}, and {value!r} is not") from error


def _missing(cells: pa.Array) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.is_null(cells, nan_is_null=True).to_numpy(zero_copy_only=False)
    return found
