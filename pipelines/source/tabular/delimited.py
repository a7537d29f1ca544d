"""Streams CSV and TSV files as text cells, through pyarrow's reader.

CSV is RFC 4180 in UTF-8 (a byte order mark is skipped). TSV is IANA's text/tab-separated-values: a cell holds neither
tab nor line end, and a quotation mark is a character like any other. `dialect` finds out where a file differs from
that, or takes it from the spec.
"""

import codecs
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from pipelines.source.cells import BLOCK_BYTES, Cells, check_chosen, check_names, texts
from pipelines.source.files import CHUNK, Files, readable
from pipelines.source.formats import Format
from pipelines.source.tabular.cleaner import MARK, Cleaner
from pipelines.source.tabular.dialect import Dialect, find_dialect
from pipelines.source.tabular.escapes import ESCAPED
from pipelines.source.tabular.guesses import guessed_encoding, readings
from pipelines.source.tabular.number_styles import plain_numbers
from schemas.errors import Advice, Fault, SourceError, SpecError
from schemas.spec import Source

_NO_WORD = r"^[-+0-9.,:/eETZ ]+$"
"""Matches numbers, dates and times: blanks around them are dropped, even within quotation marks."""
_TOLD = 100
"""Files of a folder that are read, at most, to describe how they are written."""
_MOMENT, _PATIENCE = 0.02, 0.5
"""Seconds between two looks at pyarrow's thread, and seconds without a call after which it counts as waiting."""


class _Watched:
    """A stream that detects what pyarrow accepts silently: NUL bytes and quotation marks that never close.

    The stream leaves out comments and the lines before the table. It marks blanks within quotation marks, since
    pyarrow does not report which cells were quoted.
    """

    closed = False

    def __init__(self, stream: pa.NativeFile, dialect: Dialect, file: str) -> None:
        self.stream, self.file = stream, file
        self.position = 0
        self.nul: int | None = None
        self.reading = self.ended = self.told = self.whole = False
        self._clean = Cleaner(dialect)

    @property
    def quotes(self) -> int:
        return self._clean.quotes

    @property
    def marked(self) -> bool:
        return self._clean.marked

    def read(self, size: int = -1) -> bytes:
        self.reading = True
        try:
            while not (self.ended or self.whole):
                chunk = self._chunk(size)
                if cleaned := self._clean(self._look(chunk), last=self.whole):
                    return cleaned
        except SourceError as error:
            raise SourceError(f"{self.file}: {error}", code=error.code, advice=error.advice) from error
        else:
            self.told = True
            return b""
        finally:
            self.reading = False

    def _chunk(self, size: int) -> bytes:
        """Return `size` bytes, or fewer at the end of the file."""
        parts: list[bytes] = []
        while not self.whole and sum(map(len, parts)) < size:
            parts.append(bytes(self.stream.read(size - sum(map(len, parts)))))
            self.whole = not parts[-1]
        return b"".join(parts)

    def _look(self, chunk: bytes) -> bytes:
        if self.nul is None and (at := chunk.find(b"\0")) >= 0:
            self.nul = self.position + at
        self.position += len(chunk)
        return chunk

    def end(self) -> None:
        """End the stream, and wait until pyarrow's thread reads no more: it must not read while the process ends.

        The thread reads ahead. It stops when it gets the end of the stream, or waits when it is far enough ahead.
        """
        self.ended, waited = True, 0.0
        while self.reading or (not self.told and waited < _PATIENCE):
            waited = 0.0 if self.reading else waited + _MOMENT
            time.sleep(_MOMENT)
        time.sleep(_MOMENT)  # until that thread has released its last bytes

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.stream.close()


@contextmanager
def _watched(stream: pa.NativeFile, dialect: Dialect, file: str) -> Iterator[_Watched]:
    if dialect.encoding not in ("utf-8", "utf-8-sig"):
        stream = pa.transcoding_input_stream(stream, dialect.encoding, "utf-8")
    watched = _Watched(stream, dialect, file)
    try:
        yield watched
    except BaseException:  # also GeneratorExit, when the caller stops reading
        watched.end()
        raise


def columns(files: Files, name: str, source: Source) -> dict[str, str]:
    """Return the columns of the file that are read, in order, each with an empty type since all cells are text."""
    names = dialect_of(files, name, source).names
    check_chosen(names, source)
    return dict.fromkeys(filter(source.reads, names), "")


def dialect_of(files: Files, name: str, source: Source) -> Dialect:
    """Return the file's dialect, found once and then cached; raise SourceError if the file is no sound table."""
    key = (name, files.format, source.model_dump_json())
    if key not in files.memo:
        files.memo[key] = _checked(files, name, source)
    found: Dialect = files.memo[key]
    return found


def _checked(files: Files, name: str, source: Source) -> Dialect:
    if source.header is not None and (len(set(source.header)) < len(source.header) or not all(source.header)):
        raise SpecError(Fault(("source", "header"), "each column needs a name of its own"))
    with _explained(files, name, source):
        found = find_dialect(files, name, source)
    _refuse_nul(files.shown(name), 0 if "\0" in "".join(found.names) else None)
    hint = "" if source.header else "; a file without a header row needs source.header"
    check_names(found.names, files.shown(name) if source.header is None else "source.header", hint)
    return found


def written(files: Files, source: Source) -> str:
    """Describe in words how the files differ from their plain format; the text is empty if they do not."""
    told: dict[str, list[str]] = {}
    for name in files.names[:_TOLD]:
        told.setdefault(dialect_of(files, name, source).told(files.format), []).append(name)
    if len(told) == 1:
        return next(iter(told))
    parts = [f"{how or 'nothing unusual'} in {_listed(names)}" for how, names in told.items()]
    return "; ".join(parts)


def _listed(names: list[str]) -> str:
    return names[0] + (f" and {len(names) - 1:,} more files" if len(names) > 1 else "")


def unnamed_index(files: Files, source: Source) -> str | None:
    """Return the made-up name of a first column without a header, as pandas and R write an index; None otherwise."""
    if source.header is not None:
        return None
    found = dialect_of(files, files.names[0], source)
    return found.names[0] if found.unnamed else None


def _headless(files: Files, source: Source) -> bool:
    return dialect_of(files, files.names[0], source).headless


def _advice(files: Files, source: Source) -> tuple[str, Advice | None]:
    if source.header is not None:
        return "", None
    found = dialect_of(files, files.names[0], source)
    if len(found.names) == 1 and source.label in found.first[0].split()[:-1] + found.first[0].split()[1:]:
        blank = Advice(("source", "delimiter"), " ")
        return f"; the cells seem to be parted by blanks: set {blank} or write the file with commas", blank
    if not found.headless:
        return " (a file without a header row needs source.header)", None
    first = ", ".join(found.first)[:80]
    problem = f"; the first row ({first}) looks like data, so there is no header row: name the columns in source.header"
    return problem, None


def batches(files: Files, name: str, source: Source, wanted: list[str] | None) -> Iterator[Cells]:
    """Yield the file's rows as text cells, in blocks of at most 8 MB; `wanted` restricts the columns."""
    dialect = dialect_of(files, name, source)
    keys = {column: str(position) for position, column in enumerate(dialect.names)}  # unique whatever the names hold
    chosen = {column: key for column, key in keys.items() if source.reads(column) and (not wanted or column in wanted)}
    last, rows = "", 0
    with (
        _explained(files, name, source),
        files.open(name) as stream,
        _watched(stream, dialect, files.shown(name)) as watched,
    ):
        reader = arrow_csv.open_csv(
            pa.PythonFile(watched, mode="r"),
            # one thread: as fast for text cells, and errors name their row only then
            read_options=arrow_csv.ReadOptions(
                use_threads=False,
                block_size=BLOCK_BYTES,
                column_names=list(keys.values()),
                skip_rows_after_names=dialect.skip,
            ),
            parse_options=_parse_options(dialect),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(keys.values(), pa.string()), null_values=[]
            ),
        )
        for batch in reader:
            _refuse_nul(files.shown(name), watched.nul)
            if batch.num_rows:
                last = batch.column(batch.num_columns - 1)[-1].as_py()
                raw = {column: batch.column(key) for column, key in chosen.items()}
                cells = {column: _trimmed(array, source, watched.marked) for column, array in raw.items()}
                if dialect.escape:
                    raw, cells = (_with_quotes(some) for some in (raw, cells))
                if watched.marked:
                    raw = {column: pc.replace_substring(array, MARK, "") for column, array in raw.items()}
                rewritten = _rewrite(cells, dialect, source, files.shown(name), rows)
                rows += batch.num_rows
                yield Cells(cells, {}, batch.num_rows, raw, rewritten=rewritten)
        _refuse_nul(files.shown(name), watched.nul)
    if dialect.quote and watched.quotes % 2 and "\n" in last:
        raise SourceError(
            f"{files.shown(name)}: a quotation mark in the last column opens a cell that is never closed, and takes in "
            f"all lines to the end of the file; the file is cut short, or that mark must be doubled (RFC 4180)"
        )


def _trimmed(cells: pa.Array, source: Source, marked: bool) -> pa.Array:
    """Return the cells without surrounding blanks, except quoted blanks around words."""
    trimmed = pc.ascii_trim_whitespace(cells)
    if not marked:
        return trimmed
    words = pc.replace_substring(trimmed, MARK, "")
    bare = pc.ascii_trim_whitespace(words)
    plain = pc.or_(pc.match_substring_regex(bare, _NO_WORD), pc.is_in(bare, value_set=texts(source.nulls)))
    return pc.if_else(plain, bare, words)


def _with_quotes(columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
    return {name: pc.replace_substring(array, ESCAPED, '"') for name, array in columns.items()}


def _rewrite(cells: dict[str, pa.Array], dialect: Dialect, source: Source, file: str, rows: int) -> frozenset[str]:
    """Rewrite numbers in `cells` with a decimal point, and return the columns in which a cell changed.

    `rows` is the number of the file's rows before this block.
    """
    changed = set()
    for column, style in dialect.styles.columns.items():
        if column in cells:
            place = lambda at: f"{file}, data row {rows + at + 1:,}"  # noqa: E731
            cells[column], other = plain_numbers(cells[column], column, style, source, place)
            changed |= {column} if other else set()
    return frozenset(changed)


def _parse_options(dialect: Dialect) -> arrow_csv.ParseOptions:
    quote = dialect.quote or False
    return arrow_csv.ParseOptions(delimiter=dialect.delimiter, quote_char=quote, newlines_in_values=bool(quote))


@contextmanager
def _explained(files: Files, name: str, source: Source) -> Iterator[None]:
    """Turn pyarrow's errors into SourceErrors that name the row or byte and the remedy."""
    file = files.shown(name)
    try:
        with readable(file):
            yield
    except UnicodeDecodeError as error:
        raise _encoding(files, name, source) from error
    except SourceError as error:
        if not isinstance(error.__cause__, pa.ArrowException):
            raise
        reason = str(error.__cause__)  # pyarrow has one class for all errors
        if "UTF8" in reason:
            raise _encoding(files, name, source) from error.__cause__
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
            f"{file}: holds NUL bytes, the first at byte {at:,}: it is UTF-16 or no text at all; save it as UTF-8, "
            "or set source.encoding"
        )


def _encoding(files: Files, name: str, source: Source) -> SourceError:
    """Return the error for a file in another encoding, with its first byte that is not UTF-8 and a guess."""
    if source.encoding:
        return SourceError(f"{files.shown(name)}: is not all {source.encoding}; check source.encoding")
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
                return not_utf8(files.shown(name), at, error.object[error.start], error.object)
            if not chunk:
                return SourceError(f"{files.shown(name)}: the file changed while it was read; run the command again")
            position += len(chunk)


def not_utf8(file: str, at: int, byte: int, data: bytes) -> SourceError:
    """Return the error for a file whose `byte` at offset `at` (from 0) is not UTF-8; `data` are bytes around it."""
    found = readings(data)
    told = ", ".join(f"{text!r} in {name}" for name, text in found)
    told = f" (a word in it reads {told})" if len(found) > 1 else ""
    advice = Advice(("source", "encoding"), guessed_encoding(data))
    return SourceError(
        f"{file}: is not UTF-8: byte 0x{byte:02x} at offset {at:,}; save the file as UTF-8{told}, or set {advice}"
        " (or what else it is in)",
        code="not-utf8",
        advice=advice,
    )


FORMAT = Format(
    columns,
    batches,
    delimited=True,
    written=written,
    index=unnamed_index,
    headless=_headless,
    advice=_advice,
)
