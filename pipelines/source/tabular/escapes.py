"""Handles quotation marks escaped by backslashes, as Spark writes them, and quoting that first occurs late in a file.

In RFC 4180 quotation marks within a cell are doubled, and backslashes mean nothing. A file is taken to use backslashes
if its rows parse only that way.
"""

import csv
import io
import re
from collections.abc import Callable

from schemas.errors import Advice, SourceError

ESCAPED = "\ufffe"
"""Replaces a quotation mark within a cell until the cells are split; U+FFFE is no character, so no text holds it."""
_ESCAPED = ESCAPED.encode()
_BEFORE_QUOTE = re.compile(rb'(\\+)"')
_EVERYWHERE = re.compile(rb'\\([\\"])')
_LATE = re.compile(rb'\\"[^",;|\t\r\n]')


def unescaped(data: bytes, escape: str) -> bytes:
    """Return the data with `ESCAPED` in place of quotation marks that a backslash escapes.

    With `all`, the file doubles every backslash, as Python's `csv` writes them; with `quotes`, only those before a
    quotation mark.
    """
    if escape == "all":
        return _EVERYWHERE.sub(lambda found: _ESCAPED if found[1] == b'"' else found[1], data)
    return _BEFORE_QUOTE.sub(_one, data)


def _one(found: re.Match[bytes]) -> bytes:
    count = len(found[1])
    return b"\\" * (count // 2) + (_ESCAPED if count % 2 else b'"')


def find_escape(body: str, delimiter: str, said: str | None) -> str | None:
    """Return how backslashes escape quotation marks in a file that begins with `body`: `quotes`, `all`, or None."""
    if said == "" or not (said or '\\"' in body):
        return None
    both = _EVERYWHERE.sub(b"", body.encode())
    escape = "all" if b"\\" not in both and "\\\\" in body else "quotes"
    if said or (not _fits(body, delimiter) and _fits(unescaped(body.encode(), escape).decode(), delimiter)):
        return escape
    return None


def _fits(body: str, delimiter: str) -> bool:
    """Whether all rows have the same number of cells, and each closing quotation mark ends its cell.

    The first row may have one cell less, since R does not name the column of row names.
    """
    lines = body[: body.rfind("\n") + 1] or body
    try:
        rows = [row for row in csv.reader(io.StringIO(lines, newline=""), delimiter=delimiter, strict=True) if row]
    except csv.Error:
        return False
    counts = [len(row) for row in rows]
    return len({*counts}) <= 1 or (len({*counts[1:]}) == 1 and counts[0] == counts[1] - 1)


def is_quoted(body: str, whole: bool, said: str | None = None) -> bool:
    """Whether a TSV quotes cells, as `has_quotes` says, even if backslashes escape quotation marks (Spark)."""
    escape = find_escape(body, "\t", said)
    return has_quotes(body, whole) or bool(escape and has_quotes(unescaped(body.encode(), escape).decode(), whole))


def has_quotes(body: str, whole: bool) -> bool:
    """Whether a TSV's quotation marks enclose cells, as pandas writes them, instead of being characters, as for IANA.

    They do if a cell needs them (it holds a tab, a line end, or a doubled or escaped quotation mark) or all names of
    the header have them, and if in no cell that begins with one text follows the closing one.
    """
    if '"' not in body:
        return False
    body = body if whole else body[: body.rfind("\n") + 1]
    quoted = re.findall(r'(?:^|(?<=[\t\n]))"((?:[^"]|"")*)"(?=[\t\r\n]|$)', body)
    begun = len(re.findall(r'(?:^|[\t\n])"', re.sub(r'(?:^|(?<=[\t\n]))"(?:[^"]|"")*"(?=[\t\r\n]|$)', "", body)))
    header = body.partition("\n")[0].rstrip("\r").split("\t")
    needed = any(mark in cell for cell in quoted for mark in ('""', "\t", "\n", ESCAPED))
    return not begun and bool(quoted) and (needed or all(re.fullmatch(r'"[^"]*"', cell) for cell in header))


class Late:
    """Searches the bytes of a file, chunk by chunk, for escapes and quoting that its head did not show.

    `escapes` says to search for backslashes before quotation marks; `quotes`, if given, tests whether cells are quoted.
    """

    def __init__(self, *, escapes: bool, quotes: Callable[[str, bool], bool] | None) -> None:
        self._escapes, self._quotes = escapes, quotes
        self._tail = b""

    def look(self, data: bytes, marks: int) -> None:
        """Raise SourceError if the data show escapes or quoting; `marks` is the number of quotation marks before."""
        if b'"' not in data:
            self._tail = b""
            return
        if self._escapes and b'\\"' in data:
            self._refuse_escapes(data, marks)
        if self._quotes:
            self._refuse_quotes(data)

    def _refuse_escapes(self, data: bytes, marks: int) -> None:
        at = 0
        for found in _LATE.finditer(data):
            marks, at = marks + data.count(b'"', at, found.start()), found.start()
            if marks % 2:
                cell = data[max(0, found.start() - 20) : found.end() + 20].decode(errors="replace")
                advice = Advice(("source", "escape"), "\\")
                raise SourceError(
                    f"a quoted cell holds a mark with a backslash before it ({cell!r}), and the first rows have none: "
                    f"set {advice} if that is how marks are written in cells, or to '' if not",
                    code="late-escape",
                    advice=advice,
                )

    def _refuse_quotes(self, data: bytes) -> None:
        data, self._tail = self._tail + data, b""
        end = data.rfind(b"\n") + 1
        if self._quotes and self._quotes("\n" + data[:end].decode(errors="replace"), True):
            advice = Advice(("source", "quote"), '"')
            raise SourceError(
                f"cells far down are quoted, and in the first rows none is: set {advice} if these marks are "
                "no letters, or to '' if they are",
                code="late-quotes",
                advice=advice,
            )
        self._tail = data[end:][-(1 << 16) :]
