"""Converts between the types of a source and the few with which makeweight computes. It knows no files.

A column's `type` is the one to compute with. Its `stored` type, if any, is the source's, which the published rows have
too. Cells that `type` cannot hold exactly pass through the build in a second column.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.source.grid import on_grid
from schemas.arrow import NESTED, arrow_type
from schemas.plan import Column
from schemas.stored import type_named

BESIDE = "_stored:"
"""The prefix of a column with another column's cells in the source's type; that column's position follows."""
_EDGES = (-(2**63), 2**63 - 1)
_UNITS = ("s", "ms", "us", "ns")
_WIDE = 128
_MOST = ((38, pa.decimal128), (76, pa.decimal256))


def joined(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return the decimal or timestamp type that holds the cells of both types exactly, or None.

    Timestamps of different zones become UTC.
    """
    if one == other:
        return one
    if pa.types.is_timestamp(one) and pa.types.is_timestamp(other) and (one.tz is None) == (other.tz is None):
        unit = max(one.unit, other.unit, key=_UNITS.index)
        return pa.timestamp(unit, one.tz if one.tz == other.tz else "UTC")
    digits = [_digits(kind) for kind in (one, other)]
    if None in digits:
        return None
    whole, fraction = (max(some) for some in zip(*filter(None, digits), strict=True))
    return next((make(whole + fraction, fraction) for most, make in _MOST if whole + fraction <= most), None)


def _digits(kind: pa.DataType) -> tuple[int, int] | None:
    """Return the most digits before and behind the point of a type's numbers; None if it is no exact number."""
    if pa.types.is_decimal(kind):
        return kind.precision - kind.scale, max(0, kind.scale)
    return (len(str(2**kind.bit_width)), 0) if pa.types.is_integer(kind) else None


def to_joined(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return the values cast to a type that `joined` returned."""
    if pa.types.is_decimal(values.type) and values.type.bit_width < _WIDE:
        values = values.cast(pa.decimal128(values.type.precision, values.type.scale))  # kernels lack narrower decimals
    return _to_decimal(values, kind) if pa.types.is_integer(values.type) else values.cast(kind)


def beside(columns: Sequence[Column]) -> dict[str, Column]:
    """Return the columns whose cells need a second column in the source's type, by the second column's name."""
    return {f"{BESIDE}{place}": column for place, column in enumerate(columns) if _loses(column)}


def _loses(column: Column) -> bool:
    kind = published_type(column)
    if kind == arrow_type(column.type) or column.type in NESTED:
        return False
    if column.role == "carried":
        return True
    if pa.types.is_decimal(kind) or kind == pa.uint64():
        return column.type == "double"
    return bool(pa.types.is_timestamp(kind) and kind.unit == "ns")


def published_type(column: Column) -> pa.DataType:
    """Return the type that the column has in the dataset."""
    return type_named(column.stored) if column.stored else arrow_type(column.type)


def without_own(table: pa.Table) -> pa.Table:
    """Return the table without the source's own cells."""
    own = [name for name in table.column_names if name.startswith(BESIDE)]
    return table.drop_columns(own) if own else table


def simple_rows(table: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """Return published rows with the columns cast to the types to compute with."""
    for column in columns:
        place = table.schema.get_field_index(column.name)
        if column.stored and place >= 0:
            kind = arrow_type(column.type)
            chunks = [simple_cells(chunk, column) for chunk in table[column.name].chunks]
            table = table.set_column(place, pa.field(column.name, kind), pa.chunked_array(chunks, kind))
    return table


def simple_cells(values: pa.Array, column: Column) -> pa.Array:
    """Return a column's cells in the type to compute with; nulls for a carried column, which is not computed with."""
    kind = arrow_type(column.type)
    return pa.nulls(len(values), kind) if column.role == "carried" and column.stored else to_simple(values, kind)


def to_simple(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return the values in the type to compute with, even if that loses digits."""
    found = values.type
    if found == kind:
        return values
    if pa.types.is_dictionary(found):
        return to_simple(values.dictionary_decode(), kind)
    if pa.types.is_null(found):
        return pa.nulls(len(values), kind)
    if pa.types.is_decimal(found) and pa.types.is_floating(kind):
        return nearest(values)
    if pa.types.is_time32(found):
        values = values.cast(pa.int32())
    return values.cast(kind, safe=False)


def nearest(decimals: pa.Array) -> pa.Array:
    """Return the doubles nearest to decimals; pyarrow's own cast misses some by the last bit."""
    return decimals.cast(pa.string()).cast(pa.float64())


def to_stored(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return computed values in the source's type, rounded to its precision and clipped to its range."""
    if values.type == kind:
        return values
    if pa.types.is_null(kind) or values.null_count == len(values):
        return pa.nulls(len(values), kind)
    if pa.types.is_decimal(kind):
        return _to_decimal(values, kind)
    if pa.types.is_integer(kind):
        return _to_integer(values, kind)
    if pa.types.is_time(kind):
        ticks = _clipped(values, 0, 86_400 * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit] - 1)
        return ticks.cast(pa.int32()).cast(kind) if pa.types.is_time32(kind) else ticks.cast(kind)
    return values.cast(kind, safe=False)


def settled(values: pa.Array, column: Column) -> pa.Array:
    """Return made values as they will be read back from the dataset, so that `to_stored` does not change them."""
    return to_simple(made_cells(values, column), values.type) if column.stored else values


def made_cells(values: pa.Array, column: Column) -> pa.Array:
    """Return made values as the dataset stores them: in the source's type, and on the column's grid if it has one."""
    return on_grid(to_stored(values, published_type(column)), column.grid)


def _to_decimal(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_integer(values.type):
        wide = pa.decimal128(38, 0) if kind.scale <= 0 else pa.decimal256(76, 0)
        return values.cast(wide).cast(kind)
    top = float(10 ** (kind.precision - kind.scale)) * (1 - 2.0**-52) - 10.0**-kind.scale
    return pc.round(_clipped(values, -top, top), kind.scale).cast(kind, safe=False)


def _to_integer(values: pa.Array, kind: pa.DataType) -> pa.Array:
    unsigned = pa.types.is_unsigned_integer(kind)
    low, high = (
        (0, 2**kind.bit_width - 1) if unsigned else (-(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1)
    )
    if pa.types.is_floating(values.type):
        known = pc.fill_null(values, 0.0).to_numpy(zero_copy_only=False)
        whole = np.clip(np.nan_to_num(np.round(known)), float(low), np.nextafter(float(high), 0))
        return pc.if_else(values.is_valid(), pa.array(whole.astype(kind.to_pandas_dtype())), pa.scalar(None, kind))
    return _clipped(values, max(low, _EDGES[0]), min(high, _EDGES[1])).cast(kind)


def _clipped(values: pa.Array, low: float, high: float) -> pa.Array:
    bounds = [pa.scalar(bound, values.type) for bound in (low, high)]
    return pc.min_element_wise(pc.max_element_wise(values, bounds[0], skip_nulls=False), bounds[1], skip_nulls=False)
