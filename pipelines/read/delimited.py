"""Streams CSV and TSV files as text cells, through pyarrow's reader.

CSV is RFC 4180 in UTF-8 (a byte order mark is skipped). TSV is IANA's text/tab-separated-values: a cell holds neither
tab nor line end, and a quotation mark is a character like any other.
"""

import codecs
import csv
import io
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from pyarrow import csv as arrow_csv

from pipelines.read.cells import BLOCK_BYTES, Cells, check_chosen, check_names
from pipelines.read.files import CHUNK, Files, readable
from schemas.errors import Fault, SourceError, SpecError
from schemas.spec import Source

MAX_HEADER_CHARS = 1 << 20
NAMELESS = "column_{}"
"""What a column is called that the header has no name for."""
FIRST = NAMELESS.format(1)
_MOMENT, _PATIENCE = 0.02, 0.5
"""Seconds from one look at pyarrow's thread to the next, and without a call before it is taken to wait."""


class _Watched:
    """A stream that notes, while it is read, what pyarrow lets pass: NUL bytes and quotes that never close."""

    closed = False

    def __init__(self, stream: pa.NativeFile) -> None:
        self.stream = stream
        self.position = 0
        self.quotes = 0
        self.nul: int | None = None
        self.reading = self.ended = self.told = False

    def read(self, size: int = -1) -> bytes:
        self.reading = True
        try:
            if not self.ended:
                return self._look(bytes(self.stream.read(size)))
            self.told = True
            return b""
        finally:
            self.reading = False

    def _look(self, chunk: bytes) -> bytes:
        self.quotes += chunk.count(b'"')
        if self.nul is None and (at := chunk.find(b"\0")) >= 0:
            self.nul = self.position + at
        self.position += len(chunk)
        return chunk

    def end(self) -> None:
        """Give no more, and wait for pyarrow's thread, which reads ahead: it must not while the process ends.

        It stops once it was told that there is no more, or when it is so far ahead that it waits: then it asks no more.
        """
        self.ended, waited = True, 0.0
        while self.reading or (not self.told and waited < _PATIENCE):
            waited = 0.0 if self.reading else waited + _MOMENT
            time.sleep(_MOMENT)
        time.sleep(_MOMENT)  # until that thread has let go of what it was given

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.stream.close()


@contextmanager
def _watched(stream: pa.NativeFile) -> Iterator[_Watched]:
    watched = _Watched(stream)
    try:
        yield watched
    except BaseException:  # also when the rows are not wanted any more
        watched.end()
        raise


def columns(files: Files, name: str, source: Source) -> dict[str, str]:
    """Return the columns of the file that are read, in order; none has a type of its own yet."""
    names = _names(files, name, source)[0]
    check_chosen(names, source)
    return dict.fromkeys(filter(source.reads, names), "")


def unnamed_index(files: Files, source: Source) -> str | None:
    """Return what the first column is called if the header has no name for it, as pandas and R write an index."""
    if files.format not in ("csv", "tsv") or source.header is not None:
        return None
    with _explained(files, files.names[0]):
        names, _ = _header(files, files.names[0])
    return FIRST if not names[0].strip() else None


def batches(files: Files, name: str, source: Source, wanted: list[str] | None) -> Iterator[Cells]:
    """Yield the file's rows as text, blocks of at most 8 MB of it; `wanted` restricts the columns."""
    names, skip = _names(files, name, source)
    keys = {column: str(position) for position, column in enumerate(names)}  # unique whatever the names hold
    chosen = {column: key for column, key in keys.items() if source.reads(column) and (not wanted or column in wanted)}
    last = ""
    with _explained(files, name), files.open(name) as stream, _watched(stream) as watched:
        reader = arrow_csv.open_csv(
            pa.PythonFile(watched, mode="r"),
            # one thread: as fast for text cells, and only then do errors know their row
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=BLOCK_BYTES, column_names=list(keys.values()), skip_rows_after_names=skip
            ),
            parse_options=_parse_options(files.format),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(keys.values(), pa.string()), null_values=[]
            ),
        )
        for batch in reader:
            _refuse_nul(files.shown(name), watched.nul)
            if batch.num_rows:
                last = batch.column(batch.num_columns - 1)[-1].as_py()
                yield Cells({column: batch.column(key) for column, key in chosen.items()}, {}, batch.num_rows)
        _refuse_nul(files.shown(name), watched.nul)
    if files.format == "csv" and watched.quotes % 2 and "\n" in last:
        raise SourceError(
            f"{files.shown(name)}: a quotation mark in the last column opens a cell that is never closed, and takes in "
            f"all lines to the end of the file; the file is cut short, or that mark must be doubled (RFC 4180)"
        )


def _parse_options(format_: str) -> arrow_csv.ParseOptions:
    if format_ == "tsv":
        return arrow_csv.ParseOptions(delimiter="\t", quote_char=False)
    return arrow_csv.ParseOptions(newlines_in_values=True)


def _names(files: Files, name: str, source: Source) -> tuple[list[str], int]:
    """Return the column names, and how many rows pyarrow must skip: the header and empty lines before it."""
    if source.header is not None:
        return _given_names(source.header), 0
    with _explained(files, name):
        names, blank = _header(files, name)
    _refuse_nul(files.shown(name), 0 if "\0" in "".join(names) else None)
    names = [column.strip() or NAMELESS.format(position) for position, column in enumerate(names, 1)]
    check_names(names, files.shown(name))
    return names, blank + 1


def _given_names(header: list[str]) -> list[str]:
    if len(set(header)) < len(header) or not all(header):
        raise SpecError(Fault(("source", "header"), "each column needs a name of its own"))
    check_names(header, "source.header")
    return header


def _header(files: Files, name: str) -> tuple[list[str], int]:
    with files.open(name) as stream:
        head = stream.read(MAX_HEADER_CHARS)
        whole = len(head) < MAX_HEADER_CHARS
    text = codecs.getincrementaldecoder("utf-8-sig")().decode(head, final=whole)
    lines = io.StringIO(text, newline="")
    tsv = files.format == "tsv"
    rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE) if tsv else csv.reader(lines)
    try:
        for blank, row in enumerate(rows):
            if row:
                return row, blank
    except csv.Error as error:
        raise SourceError(f"{files.shown(name)}: the header row cannot be read: {error}") from error
    raise SourceError(f"{files.shown(name)}: the file is empty; it needs a header row and data rows")


@contextmanager
def _explained(files: Files, name: str) -> Iterator[None]:
    """Turn pyarrow's complaints into messages that name the place in the file and what to do."""
    file = files.shown(name)
    try:
        with readable(file):
            yield
    except UnicodeDecodeError as error:
        raise _encoding(files, name) from error
    except SourceError as error:
        reason = str(error.__cause__)
        if "UTF8" in reason:
            raise _encoding(files, name) from error.__cause__
        if ragged := re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", reason):
            raise _ragged(file, *ragged.groups()) from error.__cause__
        if "straddl" in reason or "out of sync" in reason:
            raise SourceError(
                f"{file}: a row is longer than {BLOCK_BYTES >> 20} MB; most often a quotation mark opens a cell and is "
                "never closed: double such marks (RFC 4180), or take the row out"
            ) from error.__cause__
        if "Empty CSV file" in reason:
            raise SourceError(f"{file}: the file is empty; it needs data rows") from error.__cause__
        raise


def _ragged(file: str, row: str | None, expected: str, got: str) -> SourceError:
    where = f"row {int(row):,} (the file's first row is 1)" if row else "a row"
    return SourceError(
        f"{file}: {where} has {got} cells, expected {expected}; the file is cut short, or a cell holds the delimiter "
        "and is not quoted: mend that row, or check source.format and source.header"
    )


def _refuse_nul(file: str, at: int | None) -> None:
    if at is not None:
        raise SourceError(
            f"{file}: holds NUL bytes, the first at byte {at:,}: it is UTF-16 or no text at all; save it as UTF-8"
        )


def _encoding(files: Files, name: str) -> SourceError:
    """Look the file through for the first byte that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    position = 0
    with readable(files.shown(name)), files.open(name) as stream:
        while True:
            chunk = bytes(stream.read(CHUNK))
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                at = position - pending + error.start
                return not_utf8(files.shown(name), at, error.object[error.start])
            if not chunk:
                return SourceError(f"{files.shown(name)}: the file changed while it was read; run the command again")
            position += len(chunk)


def not_utf8(file: str, at: int, byte: int) -> SourceError:
    """Return the refusal of a file whose byte at offset `at` (from zero) is no UTF-8."""
    return SourceError(f"{file}: is not UTF-8: byte 0x{byte:02x} at offset {at:,}; save the file as UTF-8")
