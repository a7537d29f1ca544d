"""Cleans the bytes of a delimited file for pyarrow: drops lines that are no rows, and marks quoted blanks."""

import codecs

import numpy as np
from numpy.typing import NDArray

from pipelines.source.tabular.dialect import Dialect
from pipelines.source.tabular.escapes import Late, is_quoted, unescaped

MARK = "\uffff"
"""Inserted between a quotation mark and a blank; U+FFFF is no character, so no text holds it."""
_MARK = MARK.encode()


class Cleaner:
    """Cleans a file chunk by chunk; bytes whose meaning depends on the next chunk wait for it."""

    def __init__(self, dialect: Dialect) -> None:
        self._lines = dialect.lines
        self._comment = dialect.comment.encode() if dialect.comment else None
        self._quote = dialect.quote.encode() if dialect.quote else None
        self._delimiter = dialect.delimiter.encode()
        self._pairs = {blank: _both(self._quote or b"", blank) for blank in (b" ", b"\t")}
        self._escape, self._slashes = dialect.escape, b""
        escapes, quotes = dialect.late
        self._late = Late(escapes=escapes, quotes=is_quoted if quotes else None)
        self._held, self._began = b"", False
        self._before = b"\n"
        self.quotes = 0
        self.marked = False

    def __call__(self, chunk: bytes, *, last: bool) -> bytes:
        """Return the bytes that are known to belong to rows so far."""
        chunk = chunk if self._began else chunk.removeprefix(codecs.BOM_UTF8)
        self._late.look(chunk, self.quotes + self._held.count(b'"'))
        chunk = self._unescaped(chunk, last=last) if self._escape else chunk
        data = self._held + chunk if self._held else chunk
        self._began = True
        self._held = b""
        while self._lines and data:
            _, end, data = data.partition(b"\n")
            self._lines -= bool(end)
            if not end:
                return b""  # the line continues in the next chunk
        if self._comment:
            data = self._without_comments(data, last=last)
        elif not last and self._quote and data.endswith(self._quote):
            data, self._held = data[:-1], data[-1:]  # its meaning depends on the next byte
        return self._with_marks(data, self._held if not self._comment else b"\n")

    def _unescaped(self, chunk: bytes, *, last: bool) -> bytes:
        """Return the chunk without escapes; backslashes at its end wait for the next chunk."""
        chunk, self._slashes = self._slashes + chunk, b""
        if not last:
            end = len(chunk.rstrip(b"\\"))
            chunk, self._slashes = chunk[:end], chunk[end:]
        return unescaped(chunk, self._escape or "")

    def _without_comments(self, data: bytes, *, last: bool) -> bytes:
        """Return the whole lines that are no comments; a line that begins within quotation marks is no comment."""
        end = len(data) if last else data.rfind(b"\n") + 1
        data, self._held = data[:end], data[end:]
        comment, inside, kept = self._comment or b"", self.quotes % 2, []
        for line in data.splitlines(keepends=True):
            if inside or not line.startswith(comment):
                kept.append(line)
                inside = (inside + line.count(self._quote)) % 2 if self._quote else 0
        return b"".join(kept)

    def _with_marks(self, data: bytes, behind: bytes) -> bytes:
        """Return the bytes with `MARK` between a cell's opening or closing quotation mark and a blank next to it."""
        before, self._before = self._before, data[-1:] or self._before
        if not self._quote or self._quote not in data:
            return data
        opened, self.quotes = self.quotes % 2, self.quotes + data.count(self._quote)
        edges = (before + data[:1], data[-1:] + behind[:1])
        pairs = [pair for blank, both in self._pairs.items() if blank in data or blank in before for pair in both]
        if not any(pair in part for pair in pairs for part in (data, *edges)):
            return data
        places = _edges(before, data, behind, self._quote, self._delimiter, opened)
        self.marked = self.marked or bool(len(places))
        parts = np.split(np.frombuffer(data, np.uint8), places)
        return _MARK.join(part.tobytes() for part in parts)


def _both(quote: bytes, blank: bytes) -> tuple[bytes, bytes]:
    return quote + blank, blank + quote


def _edges(before: bytes, data: bytes, behind: bytes, quote: bytes, delimiter: bytes, opened: int) -> NDArray[np.int64]:
    """Return the positions at which to insert `MARK`; `opened` says that the data begin within quotation marks."""
    one = np.frombuffer(data, np.uint8)
    left = np.concatenate([np.frombuffer(before[-1:], np.uint8), one[:-1]])
    right = np.concatenate([one[1:], np.frombuffer(behind[:1] or b"\n", np.uint8)])
    quotes = np.flatnonzero(one == quote[0])
    opening = (np.arange(len(quotes)) + opened) % 2 == 0
    ends = np.frombuffer(b"\r\n" + delimiter, np.uint8)
    blanks = np.frombuffer(b" \t", np.uint8)
    begins = quotes[opening & np.isin(left[quotes], ends) & np.isin(right[quotes], blanks)]
    closes = quotes[~opening & np.isin(right[quotes], ends) & np.isin(left[quotes], blanks)]
    return np.sort(np.concatenate([begins + 1, closes]))
