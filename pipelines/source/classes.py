"""Counts the rows of each combination of values in the `by` columns, in the order of first occurrence."""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.source.cells import Block, numbered, texts
from pipelines.source.infer import convert
from pipelines.source.stored_types import joined
from pipelines.source.strata import value_of
from schemas.errors import SourceError
from schemas.plan import Value

MAX_CLASSES = 100_000
MAX_NUMBERS, MAX_FRACTIONS = 1_000, 100
"""The most distinct values of a class column of doubles, and of one with fractions."""


class Classes:
    """The number of rows of each combination of raw cells so far; rows with a null are left out."""

    def __init__(self, by: list[str]) -> None:
        self.by = by
        self.types: list[pa.DataType] = []
        self.counts: dict[tuple[Any, ...], int] = {}

    def observe(self, block: Block) -> None:
        """Add a block; raise SourceError if there are more combinations than `MAX_CLASSES`."""
        arrays = [block.cells.columns[name] for name in self.by if name in block.cells.columns]
        if len(arrays) < len(self.by):
            return
        known = self.types or [array.type for array in arrays]
        self.types = [_wider(one, array.type) for one, array in zip(known, arrays, strict=True)]
        for key, rows in _count(arrays):
            self.counts[key] = self.counts.get(key, 0) + rows
        if len(self.counts) > MAX_CLASSES:
            raise SourceError(
                f"{_columns(self.by)}: more than {MAX_CLASSES:,} classes, such as {next(iter(self.counts))[0]!r}; "
                "choose a class column with fewer values as source.label or balance.by"
            )

    def finish(self, types: Mapping[str, str]) -> list[tuple[list[Value], int]]:
        """Return the combinations as values of the columns' types, with their rows; `1` and `1.0` are one class."""
        columns = []
        for name, raw, cells in zip(self.by, self.types, zip(*self.counts, strict=True), strict=True):
            columns.append(_values(cells, raw, types[name]))
            _refuse_numbers(name, set(columns[-1]))
        merged: dict[tuple[Value, ...], int] = {}
        for key, rows in zip(zip(*columns, strict=True), self.counts.values(), strict=True):
            merged[key] = merged.get(key, 0) + rows
        return [(list(key), rows) for key, rows in merged.items()]


def _count(arrays: list[pa.Array]) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Yield each combination and its number of rows, in the order of first occurrence.

    Combinations are numbered column by column, since `Table.group_by` would import `pyarrow.dataset` and pandas.
    """
    present = reduce(pc.and_, [array.is_valid() for array in arrays])
    keys: list[tuple[Any, ...]] = [()]
    codes = pc.multiply(present.filter(present).cast(pa.int64()), numbered(0, 1)[0])
    for array in arrays:
        encoded = array.filter(present).dictionary_encode()
        words, width = encoded.dictionary.to_pylist(), len(encoded.dictionary)
        pairs = pc.add(pc.multiply(codes, numbered(width, 1)[0]), encoded.indices.cast(pa.int64())).dictionary_encode()
        keys = [(*keys[pair // width], words[pair % width]) for pair in pairs.dictionary.to_pylist()]
        codes = pairs.indices.cast(pa.int64())
    for code in codes.value_counts():
        yield keys[code["values"].as_py()], code["counts"].as_py()


def _wider(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Return the type that holds the cells of two blocks of a column, of which one may be int64."""
    return joined(one, other) or (one if other == pa.int64() else other)


def _values(cells: Sequence[Any], raw: pa.DataType, name: str) -> list[Value]:
    values = convert(texts(cells) if pa.types.is_string(raw) else pa.array(cells, raw), name)
    if values is None:
        raise SourceError(f"the source changed while it was read: {name} no longer fits; run the command again")
    return [value_of(value) for value in values.to_pylist()]


def _refuse_numbers(name: str, values: set[Value]) -> None:
    numbers = [value for value in values if isinstance(value, float)]
    fractions = any(not number.is_integer() for number in numbers)
    if len(numbers) > MAX_NUMBERS or (fractions and len(numbers) > MAX_FRACTIONS):
        raise SourceError(
            f"column {name!r} has {len(numbers):,} different numbers, such as {numbers[0]!r}: it looks like a number "
            "to predict, not a class; choose another column, or write ranges of it into a column of their own"
        )


def _columns(by: list[str]) -> str:
    return f"column {by[0]!r}" if len(by) == 1 else f"columns {', '.join(map(repr, by))}"
