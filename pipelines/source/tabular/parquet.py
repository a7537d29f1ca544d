"""Streams Parquet files, with their types converted to the few that makeweight computes with.

Integers, times of day and durations become int64, floats double, timestamps microseconds, and texts string; the
file's own type is passed on too. Cells that would lose digits are not converted: decimals, whole numbers beyond int64
and nanoseconds.
"""

import json
from collections.abc import Iterator
from contextlib import suppress

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from pipelines.source.cells import BLOCK_BYTES, BLOCK_ROWS, Cells, check_chosen, check_names
from pipelines.source.files import Files, readable
from pipelines.source.formats import Format
from pipelines.source.infer import NULL
from schemas.arrow import IMAGE, NESTED, arrow_type
from schemas.errors import Advice, Fault, SourceError, SpecError
from schemas.spec import Source
from schemas.stored import type_name

_MOST_NAMES = 100_000
_INT64_DIGITS, _WIDE = 18, 128


def columns(files: Files, name: str, source: Source) -> dict[str, str]:
    """Return the columns of the file in order, with the names of their types."""
    if source.header is not None:
        advice = Advice(("source", "header"), None)
        raise SpecError(Fault(advice.path, f"a Parquet file names its own columns; {advice}", "own-names", advice))
    file = files.shown(name)
    fields = _fields(files, name)
    check_chosen([field.name for field in fields], source)
    return {field.name: _type(field, file, source) for field in fields if source.reads(field.name)}


def class_names(files: Files, name: str) -> dict[str, list[str]]:
    """Return the class names of each column of class numbers, if Hugging Face's `datasets` wrote them to the file."""
    with readable(files.shown(name)), pq.ParquetFile(files.open_random(name)) as opened:
        metadata = opened.schema_arrow.metadata or {}
    with suppress(ValueError, KeyError, AttributeError, TypeError):
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        labels = {column: told for column, told in features.items() if told.get("_type") == "ClassLabel"}
        return {column: [str(one) for one in told["names"]][:_MOST_NAMES] for column, told in labels.items()}
    return {}


def all_class_names(files: Files) -> dict[str, list[str]]:
    """Return the class names of all files by column; raise SourceError if a number means two classes."""
    found: dict[str, list[str]] = {}
    by: dict[str, str] = {}
    for name in files.names:
        for column, names in class_names(files, name).items():
            before = found.get(column, [])
            if any(one != other for one, other in zip(before, names, strict=False)):
                raise SourceError(
                    f"{files.path}: the classes of column {column!r} are named {_listed(before)} in {by[column]} and "
                    f"{_listed(names)} in {name}, so that one number means two classes; write the files anew with one "
                    "order of names"
                )
            if len(names) > len(before):
                found[column], by[column] = names, name
    return found


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def _fields(files: Files, name: str) -> list[pa.Field]:
    """Return the file's columns in order; raise SourceError if a name or time zone is not UTF-8."""
    file = files.shown(name)
    try:
        with readable(file), pq.ParquetFile(files.open_random(name)) as opened:
            fields = list(opened.schema_arrow)
        check_names([field.name for field in fields], file)
        [(str(field.type), getattr(field.type, "tz", None)) for field in fields]
    except UnicodeDecodeError as error:
        problem = "the name or the time zone of a column is not UTF-8; write the file anew with others"
        raise SourceError(f"{file}: {problem}") from error
    return fields


def batches(files: Files, name: str, source: Source, wanted: list[str] | None) -> Iterator[Cells]:
    """Yield the file's rows in blocks, with the types of the columns; `wanted` restricts the columns that are read."""
    file = files.shown(name)
    fields = _fields(files, name)
    types = {field.name: _type(field, file, source) for field in fields if source.reads(field.name)}
    own = {field.name: type_name(field.type) for field in fields}
    chosen = [column for column in types if wanted is None or column in wanted]
    texts = [column for column in chosen if types[column] in ("string", "image") and column not in source.carry]
    packed = [_leaf(column, types[column]) for column in texts]
    with readable(file), pq.ParquetFile(files.open_random(name), read_dictionary=packed) as opened:
        for batch in opened.iter_batches(_batch_rows(opened.metadata), columns=chosen, use_threads=True):
            for part in _unpacked_in_parts(batch):
                yield _cells(part, types, chosen, own, source.carry, file)


def _cells(
    part: pa.RecordBatch, types: dict[str, str], chosen: list[str], own: dict[str, str], carried: list[str], file: str
) -> Cells:
    arrays, kinds, missing = {}, {}, {}
    for column in chosen:
        array = part.column(column)
        as_is = (array, types[column])
        arrays[column], kinds[column] = as_is if column in carried else _normal(array, types[column], file, column)
        missing[column] = arrays[column].null_count - array.null_count if types[column] == "double" else 0
    stored = {column: own[column] for column in chosen if types[column] not in NESTED}
    return Cells(arrays, kinds, part.num_rows, stored=stored, missing=missing)


def _leaf(column: str, kind: str) -> str:
    """Return the path of a column's values to read as a dictionary: few bytes in the file may stand for gigabytes."""
    return f"{column}.bytes" if kind == "image" else column


def _unpacked_in_parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield the batch in parts that take at most `BLOCK_BYTES` once their dictionaries are decoded."""
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


def _type(field: pa.Field, file: str, source: Source) -> str:
    """Return the name of the type in which the column is computed with; a carried column is text."""
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    found = next((name for test, name in _TYPES if test(kind)), None) or _image_type(kind)
    declared = source.types.get(field.name) in ("string", "category")
    if field.name in source.carry or (declared and pa.types.is_binary(kind)):
        return "string"
    if found is None:
        advice = Advice(("source", "carry"), (field.name,))
        raise SourceError(
            f"{file}: column {field.name!r} is of type {field.type}, which is no feature: set {advice}, and real rows "
            "keep it (made ones have none), or name it in source.drop, or convert it to numbers, text, dates or times",
            code="no-feature",
            advice=advice,
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


def _is_whole(kind: pa.DataType) -> bool:
    """Whether a decimal type holds only whole numbers within int64."""
    return bool(pa.types.is_decimal(kind) and kind.scale == 0 and kind.precision <= _INT64_DIGITS)


_TYPES = (
    (pa.types.is_integer, "int64"),
    (pa.types.is_floating, "double"),
    (_is_whole, "int64"),
    (pa.types.is_decimal, "double"),
    (pa.types.is_time, "int64"),
    (pa.types.is_duration, "int64"),
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


def _normal(array: pa.Array, name: str, file: str, column: str) -> tuple[pa.Array, str]:
    """Return the array in makeweight's type, or unchanged if that would lose digits, and the type's name.

    Not-a-number becomes null, since pandas writes missing values so.
    """
    _refuse_not_utf8(array, file, column)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if name == NULL:
        return array.cast(pa.string()), name
    if pa.types.is_binary(array.type):
        return _text(array, file, column), name
    if name == "image":
        parts = [array.field("bytes").cast(pa.binary()), array.field("path").cast(pa.string())]
        return pa.StructArray.from_arrays(parts, fields=list(IMAGE)), name
    if _is_wide(array.type):
        return _narrowed(array, name)
    if pa.types.is_time32(array.type):
        array = array.cast(pa.int32())
    try:
        array = array.cast(arrow_type(name))
    except pa.ArrowInvalid as error:
        raise SourceError(
            f"{file}: column {column!r} of type {array.type} does not fit {name}: {error}; convert the column"
        ) from error
    if name == "double" and pc.any(pc.is_nan(array)).as_py():
        return pc.if_else(pc.is_nan(array), pa.nulls(1, array.type)[0], array), name
    return array, name


def _text(array: pa.Array, file: str, column: str) -> pa.Array:
    """Return the bytes of a column, which the spec declares to be text, as strings."""
    try:
        return array.cast(pa.string())
    except pa.ArrowInvalid as error:
        raise SourceError(
            f"{file}: column {column!r} holds bytes that are no text in UTF-8; drop or carry it"
        ) from error


def _is_wide(kind: pa.DataType) -> bool:
    """Whether a type may hold more digits than makeweight's: uint64, decimals and nanoseconds."""
    nanoseconds = pa.types.is_timestamp(kind) and kind.unit == "ns"
    return bool(kind == pa.uint64() or pa.types.is_decimal(kind) or nanoseconds)


def _narrowed(array: pa.Array, name: str) -> tuple[pa.Array, str]:
    """Return whole numbers as int64 if they fit, else the array unchanged, and the type to compute with."""
    if pa.types.is_decimal(array.type) and array.type.bit_width < _WIDE:
        array = array.cast(pa.decimal128(array.type.precision, array.type.scale))  # kernels lack narrower decimals
    if pa.types.is_timestamp(array.type) or (pa.types.is_decimal(array.type) and array.type.scale > 0):
        return array, name
    try:
        return array.cast(pa.int64()), "int64"
    except pa.ArrowInvalid:
        return array, "double"


FORMAT = Format(columns, batches, names=all_class_names)
