"""Streams JSON Lines files: one object (RFC 8259) a line, in UTF-8.

It parses with the standard library and not with `pyarrow.json`, which fails on a column of mixed types, turns text that
looks like a time into times, and does not say in which line a fault lies.
"""

import io
import json
import math
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from pipelines.read.cells import BLOCK_BYTES, BLOCK_ROWS, MAX_COLUMNS, Cells, check_names
from pipelines.read.delimited import not_utf8
from pipelines.read.files import Files, readable
from pipelines.read.infer import NULL, join
from schemas.errors import SourceError
from schemas.spec import Source

MAX_LINE_BYTES = 8 * BLOCK_BYTES
_BOM = b"\xef\xbb\xbf"
_CONSTANTS = {"NaN": None, "Infinity": math.inf, "-Infinity": -math.inf}


class _Long(float):
    """A number with more digits than its double may hold, and how it is written."""

    text = ""


def _number(text: str) -> float:
    if len(text) <= _SHORT:
        return float(text)
    number = _Long(text)
    number.text = text
    return number


_SHORT = 15
_DECODER = json.JSONDecoder(parse_constant=_CONSTANTS.__getitem__, parse_float=_number)


def columns(_files: Files, _name: str, _source: Source) -> None:
    """Return nothing: which keys there are shows itself only in the lines."""


def batches(files: Files, name: str, source: Source, wanted: list[str] | None) -> Iterator[Cells]:
    """Yield the file's rows as text with the types that the values have; a missing key is null."""
    file = files.shown(name)
    rows: list[dict[str, Any]] = []
    size = 0
    for number, line in _lines(files, name, source):
        rows.append(_parse(line, file, number))
        size += len(line)
        if len(rows) == BLOCK_ROWS or size >= BLOCK_BYTES:
            yield _cells(rows, file, number - len(rows) + 1, source, wanted)
            rows, size = [], 0
    if rows:
        yield _cells(rows, file, number - len(rows) + 1, source, wanted)


def _lines(files: Files, name: str, source: Source) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, with their numbers from 1."""
    file, position = files.shown(name), 0
    with readable(file), files.open(name) as stream:
        buffered = io.BufferedReader(stream, 1 << 20)
        number = 0
        while line := buffered.readline(MAX_LINE_BYTES):
            number += 1
            if len(line) == MAX_LINE_BYTES:
                raise SourceError(f"{file}: line {number:,} is longer than {MAX_LINE_BYTES >> 20} MB; split the file")
            text = _decode(line.removeprefix(_BOM) if number == 1 else line, file, position, source)
            position += len(line)
            if text.strip():
                yield number, text


def _decode(line: bytes, file: str, position: int, source: Source) -> str:
    try:
        return line.decode(source.encoding or "utf-8")
    except UnicodeDecodeError as error:
        raise not_utf8(file, position + error.start, line[error.start]) from error


def _parse(line: str, file: str, number: int) -> dict[str, Any]:
    try:
        row = _DECODER.decode(line)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise SourceError(
            f"{file}: line {number:,} is not JSON ({reason}); each line must hold one whole object: mend or remove it"
        ) from error
    if not isinstance(row, dict):
        raise SourceError(
            f"{file}: line {number:,} holds {_kind(row)}, not an object; write one object a line, as in "
            '{"text": "hello", "label": "a"}'
        )
    return row


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a text", type(None): "null"}.get(type(value), "a number")


def _cells(rows: list[dict[str, Any]], file: str, line: int, source: Source, wanted: list[str] | None) -> Cells:
    names = dict.fromkeys(name for row in rows for name in row)
    if len(names) > MAX_COLUMNS:
        raise SourceError(f"{file}: more than {MAX_COLUMNS:,} different keys; are these values, not columns?")
    check_names(list(names), file)
    arrays, types = {}, {}
    chosen = names if wanted is None else [name for name in wanted if name in names]
    for name in filter(source.reads, chosen):
        values = [row.get(name) for row in rows]
        arrays[name], types[name] = _carried(values) if name in source.carry else _column(values, name, file, line)
    return Cells(arrays, types, len(rows))


def _carried(values: list[Any]) -> tuple[pa.Array, str]:
    """Return values of any kind as text; what is nested as JSON."""
    texts = [json.dumps(one, ensure_ascii=False) if isinstance(one, dict | list) else _text(one) for one in values]
    return pa.array(texts, pa.string()), "string"


def _column(values: list[Any], name: str, file: str, line: int) -> tuple[pa.Array, str]:
    """Return the values as text, and the type that holds them all."""
    kinds = set(map(type, values)) - {type(None)}
    nested = kinds & {list, dict}
    if nested:
        at = next(number for number, value in enumerate(values, line) if type(value) in nested)
        raise SourceError(
            f"{file}: column {name!r} holds {_kind(values[at - line])} near line {at:,}; nested values are no feature: "
            "flatten the column, or name it in source.carry (real rows keep it) or source.drop"
        )
    found = NULL
    for kind in kinds:
        found = join(found, _type_of(kind, values))
    texts = values if kinds <= {str} else [_text(value) for value in values]
    try:
        return pa.array(texts, pa.string()), found
    except UnicodeEncodeError as error:
        raise SourceError(
            f"{file}: column {name!r} holds half a surrogate pair (\\ud800 to \\udfff), which is no character; mend it"
        ) from error


def _type_of(kind: type, values: list[Any]) -> str:
    if kind is int:
        fits = all(-(2**63) <= value < 2**63 for value in values if type(value) is int)
        return "int64" if fits else "string"
    return {bool: "bool", float: "double", _Long: "double", str: "string"}[kind]


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, _Long):
        return value.text
    return str(value).lower() if isinstance(value, bool) else repr(value)
