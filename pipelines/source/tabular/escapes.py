"""Quotation marks with a backslash before them, as Spark writes them, and quoting that shows itself late in a file.

RFC 4180 doubles the marks within a cell, and no backslash means anything. Which of both a file does is found out by
what reads it without remainder.
"""

import csv
import io
import re
from collections.abc import Callable

from schemas.errors import Advice, SourceError

ESCAPED = "\ufffe"
"""Stands for a quotation mark within a cell until the cells are apart; no text holds it, since it is no character."""
_ESCAPED = ESCAPED.encode()
_BEFORE_QUOTE = re.compile(rb'(\\+)"')
_EVERYWHERE = re.compile(rb'\\([\\"])')
_LATE = re.compile(rb'\\"[^",;|\t\r\n]')


def unescaped(data: bytes, escape: str) -> bytes:
    """Return the data with `ESCAPED` for marks that have a backslash before them.

    With `all`, every backslash is doubled in the file, as Python's `csv` writes them; with `quotes`, only those are
    that stand before a mark.
    """
    if escape == "all":
        return _EVERYWHERE.sub(lambda found: _ESCAPED if found[1] == b'"' else found[1], data)
    return _BEFORE_QUOTE.sub(_one, data)


def _one(found: re.Match[bytes]) -> bytes:
    count = len(found[1])
    return b"\\" * (count // 2) + (_ESCAPED if count % 2 else b'"')


def find_escape(body: str, delimiter: str, said: str | None) -> str | None:
    """Return how marks are escaped in a file that begins so: `quotes`, `all`, or not at all."""
    if said == "" or not (said or '\\"' in body):
        return None
    both = _EVERYWHERE.sub(b"", body.encode())
    escape = "all" if b"\\" not in both and "\\\\" in body else "quotes"
    if said or (not _fits(body, delimiter) and _fits(unescaped(body.encode(), escape).decode(), delimiter)):
        return escape
    return None


def _fits(body: str, delimiter: str) -> bool:
    """Whether all rows have equally many cells, and nothing but the end of a cell stands behind its closing mark.

    The first may lack the name of the first, as R writes it.
    """
    lines = body[: body.rfind("\n") + 1] or body
    try:
        rows = [row for row in csv.reader(io.StringIO(lines, newline=""), delimiter=delimiter, strict=True) if row]
    except csv.Error:
        return False
    counts = [len(row) for row in rows]
    return len({*counts}) <= 1 or (len({*counts[1:]}) == 1 and counts[0] == counts[1] - 1)


def is_quoted(body: str, whole: bool, said: str | None = None) -> bool:
    """Whether quotation marks of a TSV are syntax, where some may have a backslash before them, as Spark writes it."""
    escape = find_escape(body, "\t", said)
    return has_quotes(body, whole) or bool(escape and has_quotes(unescaped(body.encode(), escape).decode(), whole))


def has_quotes(body: str, whole: bool) -> bool:
    """Whether quotation marks of a TSV are syntax, as pandas writes them, and not letters, as IANA has it.

    They are if a cell needs them (it holds a tab, a line end, a doubled or an escaped mark) or the whole header has
    them, and no cell that begins with one goes on behind the next.
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
    """Looks, in the bytes of a file as they come, for signs of what its head did not show.

    `escapes` and `quotes` say what to look for: backslashes before marks, and quoting in a file without.
    """

    def __init__(self, *, escapes: bool, quotes: Callable[[str, bool], bool] | None) -> None:
        self._escapes, self._quotes = escapes, quotes
        self._tail = b""

    def look(self, data: bytes, marks: int) -> None:
        """Raise SourceError where the data show it; `marks` quotation marks stand before them."""
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
