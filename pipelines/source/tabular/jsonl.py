"""Streams JSON Lines files in UTF-8: one object (RFC 8259) a line, or one array of objects over any lines.

The standard library parses them, since `pyarrow.json` fails on columns of mixed types, turns text that looks like a
time into times, and does not say which line is at fault.
"""

import codecs
import io
import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from pipelines.source.cells import BLOCK_BYTES, BLOCK_ROWS, MAX_COLUMNS, Cells, check_names
from pipelines.source.files import Files, readable
from pipelines.source.formats import Format
from pipelines.source.infer import NULL, STRING, join
from pipelines.source.tabular.delimited import not_utf8
from schemas.errors import Advice, Fault, SourceError, SpecError
from schemas.spec import Source

_PEEKED = 1 << 12
MAX_LINE_BYTES = 8 * BLOCK_BYTES
_BOM = b"\xef\xbb\xbf"
_CONSTANTS = {"NaN": None, "Infinity": math.inf, "-Infinity": -math.inf}


class _Long(float):
    """A number of more digits than a double may hold, with its `text` as the file writes it."""

    text = ""


def _number(text: str) -> float:
    if len(text) <= _SHORT:
        return float(text)
    number = _Long(text)
    number.text = text
    return number


_SHORT = 15
_DECODER = json.JSONDecoder(parse_constant=_CONSTANTS.__getitem__, parse_float=_number)


def columns(_files: Files, _name: str, source: Source) -> None:
    """Return None, since the keys are known only once all lines are read; raise SpecError for `source.header`."""
    if source.header is not None:
        advice = Advice(("source", "header"), None)
        raise SpecError(Fault(advice.path, f"JSON Lines name their own columns; {advice}", "own-names", advice))


def batches(files: Files, name: str, source: Source, wanted: list[str] | None) -> Iterator[Cells]:
    """Yield the file's rows in blocks of text cells, with the type of each column; a missing key is null."""
    file = files.shown(name)
    rows: list[dict[str, Any]] = []
    size = 0
    for number, line in _texts(files, name, source):
        rows.append(_parse(line, file, number))
        size += len(line)
        if len(rows) == BLOCK_ROWS or size >= BLOCK_BYTES:
            yield _cells(rows, file, number - len(rows) + 1, source, wanted)
            rows, size = [], 0
    if rows:
        yield _cells(rows, file, number - len(rows) + 1, source, wanted)


def _texts(files: Files, name: str, source: Source) -> Iterator[tuple[int, str]]:
    """Yield the text of each object, with its line's number, or its own number in an array, from 1."""
    if _is_array(files, name, source):
        return _records(files, name, source)
    whole = _one_object(files, name, source)
    return _lines(files, name, source) if whole is None else iter([(1, whole)])


def _one_object(files: Files, name: str, source: Source) -> str | None:
    """Return the text of a .json file that is one object over several lines, or None for other files."""
    if not re.search(r"\.json(?:\.[a-z0-9]+)?$", name.lower()):
        return None
    with _stream(files, name, source) as (stream, encoding):
        head = bytes(stream.read(_PEEKED))
        text = head.decode(encoding, errors="ignore").lstrip("\ufeff").lstrip()
        if text[:1] != "{" or _is_object(text.partition("\n")[0]):
            return None
        while len(head) < MAX_LINE_BYTES and (part := bytes(stream.read(1 << 20))):
            head += part
    text = head.decode(encoding, errors="replace").lstrip("\ufeff")
    return text if _is_object(text) else None


def _is_object(text: str) -> bool:
    try:
        return isinstance(_DECODER.decode(text), dict)
    except (ValueError, RecursionError):
        return False


def _is_array(files: Files, name: str, source: Source) -> bool:
    """Whether a file holds one array of records, and not one record a line."""
    with _stream(files, name, source) as (stream, encoding):
        head = bytes(stream.read(_PEEKED)).removeprefix(_BOM).decode(encoding, errors="ignore").lstrip()
    return head[:1] == "[" and (head[1:].lstrip()[:1] in ("{", "]", "") or name.lower().endswith(".json"))


@contextmanager
def _stream(files: Files, name: str, source: Source) -> Iterator[tuple[pa.NativeFile, str]]:
    """Open a file and yield its stream and encoding; UTF-16 and the like are transcoded to UTF-8."""
    with readable(files.shown(name)), files.open(name) as stream:
        encoding = source.encoding or ("utf-16" if _begins_as_utf16(files, name) else "utf-8")
        if "\n".encode(encoding) == b"\n":
            yield stream, encoding
            return
        try:
            yield pa.transcoding_input_stream(stream, encoding, "utf-8"), "utf-8"
        except UnicodeDecodeError as error:
            problem = f"is not in {encoding} throughout; fetch it again, save it as UTF-8, or set source.encoding"
            raise SourceError(f"{files.shown(name)}: {problem}") from error


def _begins_as_utf16(files: Files, name: str) -> bool:
    with files.open(name) as stream:
        return bytes(stream.read(2)) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def _records(files: Files, name: str, source: Source) -> Iterator[tuple[int, str]]:
    """Yield the text of each object of an array, with its number from 1."""
    file, held, number, begun = files.shown(name), "", 0, False
    with _stream(files, name, source) as (stream, encoding):
        decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)()
        while True:
            chunk = bytes(stream.read(1 << 20))
            try:
                held += decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                raise SourceError(f"{file}: is not UTF-8; save it as UTF-8, or set source.encoding") from error
            held = held if begun else held.lstrip().removeprefix("[")
            begun, start = True, 0
            while (start := _next(held, start)) < len(held) and held[start] != "]":
                try:
                    _, stop = _DECODER.raw_decode(held, start)
                except (ValueError, RecursionError) as error:
                    if chunk and len(held) - start < MAX_LINE_BYTES:
                        break  # the object continues in the next chunk
                    raise SourceError(
                        f"{file}: record {number + 1:,} is not JSON ({error}); mend or remove it"
                    ) from error
                if stop == len(held) and chunk:
                    break
                number += 1
                yield number, held[start:stop]
                start = stop
            held = held[start:]
            if not chunk:
                break
    if held.strip() != "]":
        raise SourceError(f"{file}: the array of records does not end with ']'; the file is cut short: fetch it again")


def _next(text: str, start: int) -> int:
    """Return the position at which the next value begins."""
    while start < len(text) and text[start] in " \t\r\n,":
        start += 1
    return start


def _lines(files: Files, name: str, source: Source) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, with their numbers from 1."""
    file, position = files.shown(name), 0
    with _stream(files, name, source) as (stream, encoding):
        buffered = io.BufferedReader(stream, 1 << 20)
        number = 0
        while line := buffered.readline(MAX_LINE_BYTES):
            number += 1
            if len(line) == MAX_LINE_BYTES:
                raise SourceError(f"{file}: line {number:,} is longer than {MAX_LINE_BYTES >> 20} MB; split the file")
            text = _decode(line.removeprefix(_BOM) if number == 1 else line, file, position, encoding)
            position += len(line)
            if text.strip():
                yield number, text


def _decode(line: bytes, file: str, position: int, encoding: str) -> str:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError as error:
        raise not_utf8(file, position + error.start, line[error.start], line) from error


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
    arrays, types, raw, unquoted = {}, {}, {}, {}
    nested = set()
    chosen = names if wanted is None else [name for name in wanted if name in names]
    for name in filter(source.reads, chosen):
        values = [row.get(name) for row in rows]
        unquoted[name] = _unquoted(values)
        if name in source.carry:
            arrays[name], types[name] = _carried(values)
            nested |= {name} if any(isinstance(value, dict | list) for value in values) else set()
            continue
        arrays[name], types[name] = _column(values, name, file, line)
        if types[name] == STRING and not set(map(type, values)) <= {str, type(None)}:
            raw[name] = pa.array([None if value is None else json.dumps(value) for value in values], pa.string())
    return Cells(arrays, types, len(rows), raw, unquoted=unquoted, nested=frozenset(nested))


def _unquoted(values: list[Any]) -> int:
    """Return how many values are neither texts nor null."""
    kinds = set(map(type, values))
    return 0 if kinds <= {str, type(None)} else sum(not isinstance(value, str | None) for value in values)


def _carried(values: list[Any]) -> tuple[pa.Array, str]:
    """Return values of any kind as text, nested ones as JSON, and the type `string`."""
    texts = [json.dumps(one, ensure_ascii=False) if isinstance(one, dict | list) else _text(one) for one in values]
    return pa.array(texts, pa.string()), "string"


def _column(values: list[Any], name: str, file: str, line: int) -> tuple[pa.Array, str]:
    """Return the values as text, and the name of the type that holds all of them."""
    kinds = set(map(type, values)) - {type(None)}
    nested = kinds & {list, dict}
    if nested:
        at = next(number for number, value in enumerate(values, line) if type(value) in nested)
        advice = Advice(("source", "carry"), (name,))
        raise SourceError(
            f"{file}: column {name!r} holds {_kind(values[at - line])} near line {at:,}; nested values are no feature: "
            f"flatten the column, or set {advice} (real rows keep it), or name it in source.drop",
            code="nested-values",
            advice=advice,
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


FORMAT = Format(columns, batches)
