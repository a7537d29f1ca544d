"""Streams Parquet files, with their types brought to the few that makeweight uses.

Integers become int64, floats and decimals double, times microseconds (finer parts are cut off), any text string.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from pipelines.read.cells import BLOCK_BYTES, BLOCK_ROWS, Cells, check_names
from pipelines.read.files import Files, readable
from pipelines.read.infer import NULL
from schemas.arrow import IMAGE, arrow_type
from schemas.errors import Fault, SourceError, SpecError
from schemas.spec import Source


def columns(files: Files, name: str, source: Source) -> dict[str, str]:
    """Return the columns of the file in order, with the names of their types."""
    if source.header is not None:
        raise SpecError(Fault(("source", "header"), "a Parquet file names its own columns; leave this out"))
    file = files.shown(name)
    try:
        with readable(file), pq.ParquetFile(files.open_random(name)) as opened:
            schema = opened.schema_arrow
        found = [(field.name, _type(field, file)) for field in schema]
    except UnicodeDecodeError as error:
        problem = "the name or the time zone of a column is not UTF-8; write the file anew with others"
        raise SourceError(f"{file}: {problem}") from error
    check_names([name for name, _ in found], file)
    return dict(found)


def batches(files: Files, name: str, source: Source, wanted: list[str] | None) -> Iterator[Cells]:
    """Yield the file's rows with their types; `wanted` restricts the columns that are read at all."""
    file = files.shown(name)
    types = columns(files, name, source)
    chosen = [column for column in types if wanted is None or column in wanted]
    packed = [_leaf(column, types[column]) for column in chosen if types[column] in ("string", "image")]
    with readable(file), pq.ParquetFile(files.open_random(name), read_dictionary=packed) as opened:
        for batch in opened.iter_batches(_batch_rows(opened.metadata), columns=chosen, use_threads=True):
            for part in _unpacked_in_parts(batch):
                arrays = {column: _normal(part.column(column), types[column], file, column) for column in chosen}
                yield Cells(arrays, {column: types[column] for column in chosen}, part.num_rows)


def _leaf(column: str, kind: str) -> str:
    """Return the path of what may be written once and used by many rows: a few bytes can stand for gigabytes."""
    return f"{column}.bytes" if kind == "image" else column


def _unpacked_in_parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield the rows, so few at a time that they take no more than a block once each has its own copy."""
    if batch.num_rows <= 1 or sum(map(_unpacked_bytes, batch.columns)) <= BLOCK_BYTES:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _unpacked_in_parts(batch.slice(0, half))
    yield from _unpacked_in_parts(batch.slice(half))


def _unpacked_bytes(array: pa.Array) -> int:
    if pa.types.is_struct(array.type):
        return sum(_unpacked_bytes(array.field(number)) for number in range(array.type.num_fields))
    if not pa.types.is_dictionary(array.type):
        return int(array.nbytes)
    lengths = pc.binary_length(array.dictionary).take(array.indices)
    return int(pc.sum(lengths.cast(pa.int64())).as_py() or 0)


def _batch_rows(metadata: pq.FileMetaData) -> int:
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    size = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1)
    return int(max(1, min(BLOCK_ROWS, BLOCK_BYTES // max(1, size))))


def _type(field: pa.Field, file: str) -> str:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    found = next((name for test, name in _TYPES if test(kind)), None) or _image_type(kind)
    if found is None:
        raise SourceError(
            f"{file}: column {field.name!r} is of type {field.type}, which cannot be read; supported are integers, "
            "floats, decimals, booleans, text, dates, timestamps and images (a struct of bytes and path): convert the "
            "column, or leave it out of the file"
        )
    if found == "timestamp[us]" and kind.tz is not None:
        return "timestamp[us, tz=UTC]"
    return found


def _image_type(kind: pa.DataType) -> str | None:
    """Return `image` for the struct in which Hugging Face's `datasets` keeps an encoded image."""
    if not pa.types.is_struct(kind) or {field.name for field in kind} != {"bytes", "path"}:
        return None
    data = kind.field("bytes").type
    return "image" if pa.types.is_binary(data) or pa.types.is_large_binary(data) else None


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


_TYPES = (
    (pa.types.is_integer, "int64"),
    (pa.types.is_floating, "double"),
    (pa.types.is_decimal, "double"),
    (pa.types.is_boolean, "bool"),
    (_is_text, "string"),
    (pa.types.is_date, "date32[day]"),
    (pa.types.is_timestamp, "timestamp[us]"),
    (pa.types.is_null, NULL),
)


def _refuse_not_utf8(array: pa.Array, file: str, column: str) -> None:
    words = array.dictionary if pa.types.is_dictionary(array.type) else array
    if not _is_text(words.type):
        return
    try:
        words.validate(full=True)
    except pa.ArrowInvalid as error:
        raise SourceError(f"{file}: column {column!r} holds text that is not UTF-8; convert the column") from error


def _normal(array: pa.Array, name: str, file: str, column: str) -> pa.Array:
    """Return the array in makeweight's type; not-a-number is null, as pandas writes it for a missing value."""
    _refuse_not_utf8(array, file, column)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if name == NULL:
        return array.cast(pa.string())
    if name == "image":
        parts = [array.field("bytes").cast(pa.binary()), array.field("path").cast(pa.string())]
        return pa.StructArray.from_arrays(parts, fields=list(IMAGE))
    cut = pa.types.is_timestamp(array.type) and array.type.unit == "ns"
    try:
        array = array.cast(arrow_type(name), safe=not cut)
    except pa.ArrowInvalid as error:
        raise SourceError(
            f"{file}: column {column!r} of type {array.type} does not fit {name}: {error}; convert the column"
        ) from error
    if name == "double" and pc.any(pc.is_nan(array)).as_py():
        return pc.if_else(pc.is_nan(array), pa.nulls(1, array.type)[0], array)
    return array
