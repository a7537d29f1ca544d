"""Turns the cells of Arrow tables into whole-number codes, and codes into values that really occur. Knows no model.

- Text and booleans have one code per value. Of many distinct texts the most frequent have their own, the rest share
  one.
- Numbers, dates and times have one code per value where there are few distinct ones, else one code per quantile bin of
  twenty rows or more. A value that fills a bin by itself has its own code, so that spikes and ties stay as they are.
- A null has a code of its own.

A code of several values is decoded by drawing one of the real cells that had it. With uniform noise in a bin instead, a
classifier soon tells made numbers from real ones by their last digits. A *private* column (the field's metadata says
`private`) shows nothing that fewer than `SHARED` rows hold: rarer texts are not made, and a bin's numbers are drawn
evenly between bounds that leave the outermost rows out.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from schemas.arrow import SHARED

_ROWS_PER_BIN, _FEWEST_BINS = 20, 10  # with fewer rows in each there is little to learn of a bin

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Column:
    """One column: the number of its codes, and the values of each code.

    `values` holds real cells without nulls, sorted by code: code k is drawn from `values[starts[k]:starts[k + 1]]`. The
    last code is the null's if `nullable`. `edges` are the greatest values of all bins but the last (numbers and times,
    as int64 or float64), or None where each code but `other` is one value. `other` is the code of rare texts. `smooth`
    says whether neighbouring codes are neighbouring values. Bins of a `private` column hold two values, the bounds
    between which numbers are drawn.
    """

    field: pa.Field
    values: pa.Array
    starts: NDArray[np.int64]
    nullable: bool
    edges: NDArray[Any] | None
    other: int | None
    smooth: bool
    private: bool

    @property
    def size(self) -> int:
        """How many codes there are."""
        return len(self.starts) - 1 + self.nullable

    def encode(self, cells: pa.Array) -> Codes:
        """Return the code of each cell; an unknown text has the code of rare texts, a number the nearest code."""
        if self.smooth:
            known = self.edges if self.edges is not None else to_numbers(self.values)[self.starts[:-1]]
            indices = np.searchsorted(known, to_numbers(cells))
            codes = np.minimum(indices, len(self.starts) - 2)
        else:
            heads = self.values.take(pa.array(self.starts[:-1] if self.other is None else self.starts[:-2]))
            unknown = self.other if self.other is not None else 0
            codes = pc.fill_null(pc.index_in(cells, value_set=heads), unknown).to_numpy().astype(np.int64)
        nulls = cells.is_null().to_numpy(zero_copy_only=False)
        return np.where(nulls, self.size - 1, codes).astype(np.int64) if self.nullable else codes

    def decode(self, codes: Codes, rng: np.random.Generator) -> pa.Array:
        """Return a value for each code."""
        nulls = codes == len(self.starts) - 1
        drawn = rng.random(len(codes))
        if not len(self.values):
            return pa.nulls(len(codes), self.field.type)
        within = np.where(nulls, 0, codes)
        first, last = self.starts[within], self.starts[within + 1]
        if self.private and self.smooth:
            return _draw_between(self.values, first, last - 1, drawn, nulls)
        indices = first + (drawn * (last - first)).astype(np.int64)
        return self.values.take(pa.array(indices, mask=nulls))


def learn_columns(table: pa.Table, label: str, *, max_bins: int, max_categories: int) -> list[Column]:
    """Return how each column but the label is coded, in the table's order.

    >>> table = pa.table({"colour": ["red", "red", "blue"], "label": ["a", "b", "b"]})
    >>> [column] = learn_columns(table, "label", max_bins=10, max_categories=10)
    >>> column.encode(table["colour"].combine_chunks())
    array([0, 0, 1])
    """
    return [
        _learn_column(field, nan_to_null(table[field.name].combine_chunks()), max_bins, max_categories)
        for field in table.schema
        if field.name != label
    ]


def _learn_column(field: pa.Field, cells: pa.Array, max_bins: int, max_categories: int) -> Column:
    private = b"private" in (field.metadata or {})
    known = cells.drop_null()
    nullable = len(known) < len(cells)
    if pa.types.is_string(field.type) or pa.types.is_boolean(field.type):
        return _learn_texts(field, known, nullable, max_categories, private)
    return _learn_numbers(field, known, nullable, max_bins, private)


def _learn_texts(field: pa.Field, known: pa.Array, nullable: bool, most: int, private: bool) -> Column:
    """Give the `most` most frequent values one code each; the others share one code."""
    pairs = known.value_counts().to_pylist()
    counts = sorted(((-pair["counts"], str(pair["values"]), pair["values"]) for pair in pairs), key=lambda c: c[:2])
    if private:
        kept = [count for count in counts if -count[0] >= SHARED][:most] or counts[:1]
        counts = kept
    elif len(counts) > most:
        kept = [count for count in counts[:most] if count[0] < -1]
    else:
        kept = counts
    frequent = pa.array([value for *_, value in kept], field.type)
    rare = known.filter(pc.invert(pc.is_in(known, frequent))) if len(kept) < len(counts) else known.slice(0, 0)
    starts = np.arange(len(kept) + 1)
    if len(rare):
        starts = np.append(starts, len(kept) + len(rare))
    other = len(kept) if len(rare) else None
    return Column(field, pa.concat_arrays([frequent, rare]), starts, nullable, None, other, False, private)


def _learn_numbers(field: pa.Field, known: pa.Array, nullable: bool, most: int, private: bool) -> Column:
    """Give few distinct values one code each; else cut the sorted cells into bins of about the same number of rows."""
    known = known.take(pc.array_sort_indices(known))
    plain = to_numbers(known)
    distinct, firsts = np.unique(plain, return_index=True)
    counts = np.diff(np.append(firsts, len(plain)))
    most = min(most, max(_FEWEST_BINS, len(plain) // _ROWS_PER_BIN))
    if len(distinct) <= most and not (private and counts.min(initial=SHARED) < SHARED):
        return Column(
            field, known.take(pa.array(firsts)), np.arange(len(distinct) + 1), nullable, None, None, True, private
        )
    bins = min(most, max(1, len(plain) // SHARED)) if private else most
    cuts = np.arange(1, bins) * len(plain) // bins
    edges = np.unique(np.append(plain[cuts], _spike_edges(distinct, counts, len(plain) / bins)))
    edges = edges[edges < plain[-1]]
    starts = np.concatenate([[0], np.searchsorted(plain, edges, side="right"), [len(plain)]]).astype(np.int64)
    if private:
        known, starts = _private_bounds(known, starts)
    return Column(field, known, starts, nullable, edges, None, True, private)


def _spike_edges(distinct: NDArray[Any], counts: NDArray[np.int64], size: float) -> NDArray[Any]:
    """Return bin edges around each value of at least `size` rows, so that it is alone in its bin."""
    spikes = np.flatnonzero(counts >= size)
    edges: NDArray[Any] = distinct[np.unique(np.concatenate([spikes, spikes[spikes > 0] - 1]))]
    return edges


def _private_bounds(known: pa.Array, starts: NDArray[np.int64]) -> tuple[pa.Array, NDArray[np.int64]]:
    """Return the two bounds of each bin, and the new starts.

    A twentieth of the bin's rows, at least two, lies beyond each bound. A spike's two bounds are both its value.
    """
    indices = []
    for first, stop in pairwise(starts):
        off = min(max(2, (stop - first) // 20), (stop - first - 1) // 2)
        indices += [first + off, stop - 1 - off]
    return known.take(pa.array(indices)), np.arange(0, len(indices) + 1, 2)


def _draw_between(
    values: pa.Array, low: Codes, high: Codes, drawn: NDArray[np.float64], nulls: NDArray[np.bool_]
) -> pa.Array:
    """Return numbers drawn evenly between two real ones, whole or rounded as the column's numbers are."""
    plain = to_numbers(values)
    if plain.dtype == np.int64:
        width = plain[high].astype(object) - plain[low].astype(object)
        steps = [int(share * (wide + 1)) for share, wide in zip(drawn, width, strict=True)]
        whole = np.array(
            [int(a) + min(step, int(w)) for a, step, w in zip(plain[low], steps, width, strict=True)], np.int64
        )
        return pa.array(whole, mask=nulls).cast(storage_type(values.type)).view(values.type)
    made = plain[low] + drawn * (plain[high] - plain[low])
    decimals = next((d for d in range(13) if np.array_equal(np.round(plain, d), plain)), None)
    return pa.array(made if decimals is None else np.round(made, decimals), pa.float64(), mask=nulls)


def nan_to_null(cells: pa.Array) -> pa.Array:
    """Return the cells with each NaN replaced by a null.

    >>> nan_to_null(pa.array([1.0, float("nan")])).to_pylist()
    [1.0, None]
    """
    if not pa.types.is_floating(cells.type):
        return cells
    return pc.if_else(pc.is_nan(cells), pa.scalar(None, cells.type), cells)


def to_numbers(cells: pa.Array) -> NDArray[Any]:
    """Return numbers as float64 or int64, dates as days, times as microseconds; a null is 0.

    >>> to_numbers(pa.array([1.5, None]))
    array([1.5, 0. ])
    """
    if pa.types.is_floating(cells.type):
        doubles: NDArray[np.float64] = pc.fill_null(cells, 0.0).to_numpy()
        return doubles
    whole: NDArray[np.int64] = pc.fill_null(cells.view(storage_type(cells.type)), 0).cast(pa.int64()).to_numpy()
    return whole


def storage_type(kind: pa.DataType) -> pa.DataType:
    """Return the integer type that stores whole numbers, dates or times of an Arrow type.

    >>> storage_type(pa.date32())
    DataType(int32)
    """
    return pa.int32() if pa.types.is_date32(kind) else pa.int64()


class EncodableColumn(Protocol):
    """A column that can encode its cells."""

    @property
    def field(self) -> pa.Field:
        """Its name and type."""

    def encode(self, cells: pa.Array) -> Codes:
        """Return the code of each cell."""


def encode(columns: Sequence[EncodableColumn], table: pa.Table) -> Codes:
    """Return the codes of a table's cells, int64 (rows, columns)."""
    codes = [column.encode(nan_to_null(table[column.field.name].combine_chunks())) for column in columns]
    return np.column_stack(codes) if codes else np.empty((table.num_rows, 0), np.int64)


def save_columns(columns: list[Column], path: Path) -> None:
    """Write `columns.json`, and the values of each column into `values-<number>.parquet`, below the folder."""
    described = []
    for number, column in enumerate(columns):
        pq.write_table(
            pa.table([column.values], pa.schema([pa.field("values", column.field.type)])),
            path / f"values-{number}.parquet",
        )
        edges = None if column.edges is None else [edge.item() for edge in column.edges]
        described.append(
            {
                "name": column.field.name,
                "starts": column.starts.tolist(),
                "nullable": column.nullable,
                "edges": edges,
                "other": column.other,
                "smooth": column.smooth,
                "private": column.private,
            }
        )
    (path / "columns.json").write_text(json.dumps(described))


def load_columns(path: Path, schema: pa.Schema) -> list[Column]:
    """Read what `save_columns` wrote; the fields are those of `schema`."""
    columns = []
    for number, description in enumerate(json.loads((path / "columns.json").read_text())):
        values = pq.read_table(path / f"values-{number}.parquet")["values"].combine_chunks()
        field = schema.field(description.pop("name"))
        whole = not pa.types.is_floating(field.type)
        edges = description.pop("edges")
        description["edges"] = None if edges is None else np.array(edges, np.int64 if whole else np.float64)
        description["starts"] = np.array(description["starts"], np.int64)
        columns.append(Column(field, values, **description))
    return columns
