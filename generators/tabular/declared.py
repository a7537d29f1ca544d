"""Codes of Arrow columns that follow from declarations alone: no real row is looked at.

The codes of a column are its bins, then its categories, then the null. A cell beyond the bounds has the nearest bin, a
value that was not declared has the null's code. Numbers are drawn evenly within a bin.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from generators.tabular.codes import Codes, storage_type, to_numbers
from generators.tabular.dp_params import Declared
from schemas.errors import GeneratorError, join_first, nearest

_LISTED = 20


@dataclass(frozen=True)
class DeclaredColumn:
    """One column: bin k holds numbers from `edges[k]` up to below `edges[k + 1]` (as `to_numbers` returns them)."""

    field: pa.Field
    edges: tuple[Any, ...]
    categories: pa.Array
    decimals: int | None
    nulls: bool

    @property
    def bins(self) -> int:
        """The number of bins."""
        return max(0, len(self.edges) - 1)

    @property
    def size(self) -> int:
        """The number of codes; the last is the null's."""
        return self.bins + len(self.categories) + 1

    def encode(self, cells: pa.Array) -> Codes:
        """Return the code of each cell."""
        codes = np.full(len(cells), self.size - 1, np.int64)
        if self.bins:
            plain = to_numbers(cells)
            codes = np.searchsorted(np.array(self.edges[1:-1], plain.dtype), plain, side="right").astype(np.int64)
        if len(self.categories):
            indices = pc.index_in(cells, value_set=self.categories)
            codes = np.where(indices.is_valid(), self.bins + pc.fill_null(indices, 0).to_numpy(), codes)
        return np.where(_is_missing(cells), self.size - 1, codes)

    def decode(self, codes: Codes, rng: np.random.Generator) -> pa.Array:
        """Return a value for each code."""
        drawn = rng.random(len(codes))
        in_bin = codes < self.bins
        indices = pa.array(codes - self.bins, mask=in_bin | (codes == self.size - 1))
        categories = self.categories.take(indices)
        if not self.bins:
            return categories
        numbers = self._draw_numbers(np.where(in_bin, codes, 0), drawn)
        return pc.if_else(pa.array(in_bin), numbers, categories)

    def _draw_numbers(self, bins: Codes, drawn: NDArray[np.float64]) -> pa.Array:
        arrow_type = self.field.type
        if not pa.types.is_floating(arrow_type):
            wide = [after - before for before, after in zip(self.edges, self.edges[1:], strict=False)]
            whole = [
                self.edges[n] + min(int(u * wide[n]), wide[n] - 1)
                for n, u in zip(bins.tolist(), drawn.tolist(), strict=True)
            ]
            return pa.array(whole, pa.int64()).cast(storage_type(arrow_type)).view(arrow_type)
        edges = np.array(self.edges)
        numbers = edges[bins] + drawn * (edges[bins + 1] - edges[bins])
        if self.decimals is not None:
            numbers = np.round(numbers, self.decimals)
        return pa.array(np.clip(numbers, edges[0], edges[-1]))


def declared_columns(
    schema: pa.Schema, label: str, declared: Mapping[str, Declared], bins: int
) -> list[DeclaredColumn]:
    """Return how each column but the label is coded; raises GeneratorError that lists all undeclared columns.

    >>> schema = pa.schema([("age", pa.int64()), ("label", pa.string())])
    >>> [column] = declared_columns(schema, "label", {"age": Declared(bounds=(0, 99))}, bins=10)
    >>> column.encode(pa.array([0, 9, 10, 120, None]))
    array([ 0,  0,  1,  9, 10])
    """
    fields = [field for field in schema if field.name != label]
    unknown = [field for field in fields if field.name not in declared and not pa.types.is_boolean(field.type)]
    if unknown:
        spare = declared.keys() - {field.name for field in fields}
        raise GeneratorError(_describe_undeclared(unknown, spare))
    flags = Declared(categories=(False, True))
    return [_declare_column(field, declared.get(field.name, flags), bins) for field in fields]


def _describe_undeclared(fields: list[pa.Field], spare: Collection[str]) -> str:
    """Return the message that names the columns, with a close name among `spare` for the first."""
    names = join_first((f"{field.name!r} ({field.type})" for field in fields), _LISTED)
    first = fields[0]
    example = "{categories: [a, b]}" if pa.types.is_string(first.type) else "{bounds: [0, 100]}"
    meant = nearest(first.name, spare)
    return (
        f"what these columns may hold is not declared, and reading it off the real rows would give some of it away:"
        f" {names}; say for each, as in columns: {{{first.name!r}: {example}}}"
        f"{meant if 'did you mean' in meant else ''}"
    )


def _declare_column(field: pa.Field, declared: Declared, bins: int) -> DeclaredColumn:
    categories = pa.array(
        [_cast_value(value, field).as_py() for value in declared.categories or ()], field.type
    ).unique()
    return DeclaredColumn(
        field, _bin_edges(field, declared, declared.bins or bins), categories, declared.decimals, declared.nulls
    )


def _bin_edges(field: pa.Field, declared: Declared, bins: int) -> tuple[Any, ...]:
    """Return the bounds of the bins; those of whole numbers are whole, and the last lies one above the greatest."""
    if declared.bounds is None:
        return ()
    if pa.types.is_string(field.type) or pa.types.is_boolean(field.type):
        raise GeneratorError(f"columns: {field.name!r} is of type {field.type} and has no bounds; list its categories")
    low, high = (
        to_numbers(pa.array([_cast_value(value, field).as_py()], field.type))[0].item() for value in declared.bounds
    )
    if low > high:
        raise GeneratorError(
            f"columns: {field.name!r} has bounds {list(declared.bounds)!r}, the greater first; swap them"
        )
    if isinstance(low, float):
        bins = bins if low < high else 1
        return (*(low + (high - low) * k / bins for k in range(bins)), high)
    bins = min(bins, high - low + 1)
    return tuple(low + (high + 1 - low) * k // bins for k in range(bins + 1))


def _cast_value(value: Any, field: pa.Field) -> pa.Scalar:
    try:
        return pc.cast(pa.scalar(value), field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise GeneratorError(f"columns: {field.name!r} is of type {field.type}, and {value!r} is not") from error


def _is_missing(cells: pa.Array) -> NDArray[np.bool_]:
    missing: NDArray[np.bool_] = pc.is_null(cells, nan_is_null=True).to_numpy(zero_copy_only=False)
    return missing
