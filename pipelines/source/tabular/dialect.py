"""Finds out how a delimited file is written: delimiter, quotes, comments, decimal comma, and whether it has a header.

The spec takes precedence over guesses. If the usual delimiter of the file's extension reads a table, it is used;
others are tried only if it does not. (`clevercsv` is not used: it knows neither decimal commas nor comments, and
guesses for plain files too.)
"""

import codecs
import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pipelines.source.files import COMPRESSIONS, Files, readable
from pipelines.source.peek import quoted_header
from pipelines.source.tabular.escapes import ESCAPED, find_escape, is_quoted, unescaped
from pipelines.source.tabular.guesses import other_kind, title
from pipelines.source.tabular.number_styles import StyleError, Styles, find_styles
from schemas.errors import Advice, SourceError
from schemas.spec import Source

HEAD_BYTES = 1 << 20
"""Bytes read from the beginning of the file."""
NAMELESS = "column_{}"
"""The name, with its number from 1, of a column that the header does not name."""
_ROWS = 1_000
_OTHER_FILES = 20
"""Other files that are read, at most, to find the decimal mark of a file in which it is unclear."""
_OWN = {"csv": ",", "tsv": "\t"}
_OTHERS = (",", ";", "\t", "|")
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_SEP = re.compile(r'^"?sep=(.)"?\r?\n', re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")

Rows = list[list[str]]


@dataclass(frozen=True)
class Dialect:
    """How a file is written: `lines` stand before the table, and the table's first `skip` rows are no data.

    `names` are those of the header, or made up if there is none (`headless`). `styles` holds the columns whose numbers
    have more than a decimal point. `escape` is how quotation marks are escaped if they are not doubled. `late` says
    whether escapes, and quotation marks, may first occur further down. `unnamed` says that the header does not name
    the first column; `first` is the first row.
    """

    encoding: str
    delimiter: str
    quote: str | None
    comment: str | None
    lines: int
    skip: int
    names: list[str]
    headless: bool
    styles: Styles
    escape: str | None = None
    late: tuple[bool, bool] = (False, False)
    unnamed: bool = False
    first: tuple[str, ...] = ()

    def told(self, format_: str) -> str:
        """Describe in words how the file differs from a plain file of this format."""
        names = {";": "semicolons", "|": "bars", "\t": "tabs", ",": "commas", " ": "blanks"}
        plain = self.delimiter == _OWN[format_]
        told = [] if plain else [f"{names.get(self.delimiter, repr(self.delimiter))} between cells"]
        told += [f"the encoding {self.encoding}"] if not self.encoding.startswith("utf-8") else []
        told += ["backslashes before quotation marks in cells"] if self.escape else []
        return ", ".join(told + self.styles.told())


def find_dialect(files: Files, name: str, source: Source, *, lone: bool = False) -> Dialect:
    """Return the file's dialect; raise SourceError if it is no table, UnicodeDecodeError if its encoding is wrong.

    If the decimal mark is unclear in this file, the source's other files are read too, unless it is `lone`.
    """
    try:
        return _found(files, name, source, lone)
    except csv.Error as error:
        raise SourceError(f"{files.shown(name)}: the header row cannot be read: {error}") from error


def _found(files: Files, name: str, source: Source, lone: bool) -> Dialect:
    head, whole = _head(files, name)
    encoding = source.encoding or next((name for bom, name in _BOMS.items() if head.startswith(bom)), "utf-8")
    _refuse_other(head, name, files.shown(name), source)
    text = codecs.getincrementaldecoder(encoding)().decode(head, final=whole).removeprefix("\ufeff")
    told = _SEP.match(text)
    body = text[told.end() :] if told else text
    comments = 0 if source.comment or source.header else _comments(body, files.format)
    body = body.split("\n", comments)[-1]
    if source.comment:
        body = re.sub(rf"(?m)^{re.escape(source.comment)}.*\r?\n?", "", body)
    delimiter, quote = _syntax(body, files.format, source, told[1] if told else None, whole)
    escape = find_escape(body, delimiter, source.escape) if quote == '"' else None
    body = unescaped(body.encode(), escape).decode() if escape else body
    rows, lines = _parsed(body, delimiter, quote, whole), (1 if told else 0) + comments
    first = next((number for number, row in enumerate(rows) if row), None)
    if first is None and source.header is None:
        raise SourceError(f"{files.shown(name)}: the file is empty; it needs a header row and data rows")
    if above := title(rows):
        raise SourceError(
            f"{files.shown(name)}: the first line, {above[:60]!r}, is no header of the {len(rows[-1])} columns below:"
            " take it out, or set source.comment to what it begins with"
        )
    if _has_row_names(rows[first or 0 :], source, sure=delimiter == " " and quoted_header(body.encode())):
        rows[first or 0].insert(0, "")
    names, headless, data = _named(rows, first or 0, source)
    skip = 0 if headless else (first or 0) + 1
    if not headless:
        _refuse_same_but_blanks(rows[first or 0], files.shown(name))
    unnamed = not headless and not rows[first or 0][0].strip()
    elsewhere = (lambda: None) if lone else (lambda: _mark_elsewhere(files, name, source, delimiter))
    try:
        styles = find_styles(_columns(names, data, source), delimiter, source, elsewhere)
    except StyleError as error:
        raise _against_spec(files.shown(name), error, data, names.index(error.column)) from None
    top = tuple(rows[first or 0]) if rows else ()
    late = (source.escape is None and quote == '"' and not escape, source.quote is None and quote is None)
    return Dialect(
        encoding, delimiter, quote, source.comment, lines, skip, names, headless, styles, escape, late, unnamed, top
    )


def _refuse_other(head: bytes, name: str, file: str, source: Source) -> None:
    """Raise SourceError if the file is no delimited table, or in another encoding than the spec's."""
    if what := other_kind(head):
        raise SourceError(f"{file}: is no delimited table but {what}")
    if not head and os.path.splitext(name)[1].lower() in COMPRESSIONS:
        raise SourceError(f"{file}: unpacks to nothing: it is empty or cut short; fetch it again")
    unicode = codecs.lookup(source.encoding or "utf-8").name in ("utf-8", "utf-8-sig")
    if head.startswith(codecs.BOM_UTF8) and not unicode:
        advice = Advice(("source", "encoding"), None)
        raise SourceError(
            f"{file}: begins with the mark of UTF-8, and source.encoding says {source.encoding}; {advice}",
            code="other-encoding",
            advice=advice,
        )


def _has_row_names(rows: Rows, source: Source, *, sure: bool) -> bool:
    """Whether each row begins with its name, for which the header has no cell, as R's `write.table` writes them.

    The names must be distinct words or count from 1; if it is `sure` that R wrote the file, any distinct names will do.
    """
    data = [row for row in rows[1:] if row]
    if source.header is not None or len(data) < 3 or any(len(row) != len(rows[0]) + 1 for row in data):
        return False
    names = [row[0] for row in data]
    counted = names == [str(number) for number in range(1, len(names) + 1)]
    words = len(set(names)) == len(names) and (sure or not any(map(looks_numeric, names))) and all(names)
    return (counted or words) and any(row[-1] for row in data)


def _against_spec(file: str, error: StyleError, rows: Rows, place: int) -> SourceError:
    at = next(number for number, row in enumerate(rows, 1) if len(row) > place and row[place].strip() == error.cell)
    return SourceError(
        f"{file}, data row {at:,}: the numbers of column {error.column!r} are written as source.decimal and"
        f" source.thousands say in other rows, but here is {error.cell[:80]!r}; mend it, list it in source.nulls,"
        " change source.decimal or source.thousands, or set the column's source.types to string"
    )


def _mark_elsewhere(files: Files, name: str, source: Source, delimiter: str) -> str | None:
    """Return the decimal mark on which the first other files with the same delimiter agree, or None."""
    marks = set()
    for other in [other for other in files.names if other != name][:_OTHER_FILES]:
        with suppress(SourceError, UnicodeDecodeError):  # the error is raised when that file itself is read
            found = find_dialect(files, other, source, lone=True)
            marks |= {found.styles.mark} if found.delimiter == delimiter else set()
    marks -= {None}
    return marks.pop() if len(marks) == 1 else None


def _head(files: Files, name: str) -> tuple[bytes, bool]:
    head = b""
    with readable(files.shown(name)), files.open(name) as stream:
        while len(head) < HEAD_BYTES and (part := bytes(stream.read(HEAD_BYTES - len(head)))):
            head += part
    return head, len(head) < HEAD_BYTES


def _comments(body: str, format_: str) -> int:
    """Return how many lines before the header are comments: they begin with `#` and do not look like a header."""
    lines = body.split("\n", _ROWS)[:_ROWS]
    count = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    if not count or count == len(lines):
        return 0
    own = max(_OTHERS, key=lambda one: (lines[count].count(one), one == _OWN[format_]))
    header = lines[count].count(own) and lines[count - 1].count(own) == lines[count].count(own)
    return count - 1 if header else count


def _syntax(body: str, format_: str, source: Source, told: str | None, whole: bool) -> tuple[str, str | None]:
    """Return the delimiter and the quotation mark."""
    given = source.delimiter or told
    quote = '"' if source.quote is None else source.quote or None
    if given is None:
        given = _delimiter(body, _OWN[format_], quote or '"', source.escape, whole)
    if source.quote is None and given == "\t" and format_ == "tsv" and not is_quoted(body, whole, source.escape):
        quote = None
    return given, quote


def _delimiter(body: str, own: str, quote: str, said: str | None, whole: bool) -> str:
    """Return a delimiter that splits all rows into equally many cells: `own` first, and if none does."""

    def columns(delimiter: str, *, but_first: bool = False) -> int:
        """Return the number of cells of each row, or 0 if rows differ; `but_first` lets the first row differ."""
        escape = find_escape(body, delimiter, said) if quote == '"' else None
        text = unescaped(body.encode(), escape).decode() if escape else body
        counts = [len(row) for row in _parsed(text, delimiter, quote, whole) if row]
        other = but_first and len(counts) > 3 and counts[0] in (1, counts[1] - 1)
        found = set(counts[1:] if other else counts)
        return found.pop() if len(found) == 1 else 0

    if columns(own) > 1 or (own == "\t" and "\t" in body.partition("\n")[0]):
        return own
    others = [one for one in _OTHERS if one != own]
    for but_first in (False, True):
        found = {one: columns(one, but_first=but_first) for one in others}
        best = max(found, key=lambda one: found[one])
        if found[best] > 1:
            return own if but_first and columns(own, but_first=True) > 1 else best
    return " " if quoted_header(body.encode()) and columns(" ", but_first=True) > 1 else own


def _parsed(body: str, delimiter: str, quote: str | None, whole: bool) -> Rows:
    """Return the first rows; unless the body is the `whole` file, its last row may be cut off and is left out."""
    lines = io.StringIO(body, newline="")
    options = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE, "quotechar": None}
    reader: Iterator[list[str]] = csv.reader(lines, delimiter=delimiter, **options)
    rows: Rows = []
    try:
        for row in reader:
            rows.append([cell.replace(ESCAPED, '"') for cell in row] if ESCAPED in body else row)
            if len(rows) == _ROWS:
                return rows
    except csv.Error:
        if not rows:
            raise
        return rows
    return rows if whole or len(rows) < 2 else rows[:-1]


def _named(rows: Rows, first: int, source: Source) -> tuple[list[str], bool, Rows]:
    """Return the columns' names, whether the file has no header (names come from the spec or a count), and the data."""
    if source.header is not None:
        return source.header, True, rows
    names = [cell.strip() or NAMELESS.format(number) for number, cell in enumerate(rows[first], 1)]
    data = [row for row in rows[first:] if row]
    if (source.label not in names or len(set(rows[first])) < len(names)) and looks_like_data(data):
        return [NAMELESS.format(number) for number in range(1, len(names) + 1)], True, data
    return names, False, data[1:]


def _refuse_same_but_blanks(names: list[str], file: str) -> None:
    """Raise SourceError if two names of a header differ only in the blanks around them."""
    first: dict[str, str] = {}
    for column in filter(str.strip, names):
        other = first.setdefault(column.strip(), column)
        if other != column:
            raise SourceError(
                f"{file}: the header names two columns {other!r} and {column!r}, which are both read as"
                f" {column.strip()!r}: blanks around a name are left out; rename one of them, or name all columns in"
                " source.header"
            )


def looks_like_data(rows: Rows) -> bool:
    """Whether the first row is data: numbers stand above numbers, and words occur further down in their column.

    Years, and numbers that count from 0 or 1, may be names of columns. In a table without numbers, the first row is
    data only if a word occurs in it twice.
    """
    head, rest = rows[0], rows[1:]
    if len(rest) < 2 or any(len(row) != len(head) for row in rest):
        return False
    numeric = words = 0
    for place, cell in enumerate(head):
        column = [row[place].strip() for row in rest if row[place].strip()]
        numbers = bool(column) and all(_NUMBER.fullmatch(text) for text in column)
        if numbers != bool(_NUMBER.fullmatch(cell.strip())) and numbers:
            return False
        numeric += numbers
        few = not numbers and len(set(column)) <= len(column) / 2
        if few and cell.strip() not in column:
            return False
        words += few
    twice = len(set(head)) < len(head)
    return bool(numeric or (words and twice)) and not (_counted(head) and not words)


def looks_numeric(text: str) -> bool:
    """Whether a text is a number, whatever its decimal mark is."""
    return bool(re.fullmatch(r"[+-]?[\d.,' ]*\d[\d.,' ]*(?:[eE][+-]?\d+)?", text))


def _counted(cells: Sequence[str]) -> bool:
    """Whether the numbers among the cells are consecutive, and are years or count from 0 or 1."""
    numbers = [int(cell) for cell in map(str.strip, cells) if cell.isdecimal()]
    if len(numbers) < 2 or any(_NUMBER.fullmatch(cell.strip()) and not cell.strip().isdecimal() for cell in cells):
        return False
    rising = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    return rising and (numbers[0] <= 1 or 1900 <= numbers[0] <= 2100)


def _columns(names: list[str], rows: Rows, source: Source) -> dict[str, list[str]]:
    """Return the first cells of each column that are not missing."""
    return {
        name: [row[place].strip() for row in rows if len(row) > place and row[place].strip() not in source.nulls]
        for place, name in enumerate(names)
    }
