"""What is wrong with a file that is no delimited table, and what it is encoded in: guesses that messages make."""

import re
from collections.abc import Sequence
from itertools import islice, pairwise

_MAGIC = {
    b"PK\x03\x04": "an Excel workbook or a .zip archive: save the sheet as CSV, or give the archive its ending",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save the sheet as CSV",
    b"PAR1": "a Parquet file: set source.format to parquet",
    b"\x1f\x8b": "packed with gzip: let its name end in .gz",
    b"%PDF": "a PDF: get the table as CSV",
    b"SQLite format 3": "a SQLite database: export the table as CSV",
}
_MARKUP = re.compile(r"\s*<(?:!doctype|html|table|head|\?xml|script|meta)\b", re.IGNORECASE)
_WORD = re.compile(rb"[A-Za-z\x80-\xff]+")
_LOOKED_AT = 20_000
"""Words that are looked at, at most."""
_ASCII, _FEW = 127, 3
_WESTERN = ("cp1252", "cp1250")
_CYRILLIC = ("cp1251", "koi8_r", "cp866")
_OTHERS = (*_CYRILLIC, "cp1253", "cp1255", "cp1256", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr")


def other_kind(head: bytes) -> str | None:
    """Return what a file is that begins so, and what to do; nothing where it may be a table."""
    told = next((what for magic, what in _MAGIC.items() if head.startswith(magic)), None)
    if told is None and _MARKUP.match(head[:1000].decode(errors="replace").lstrip("\ufeff")):
        return "a page of HTML or XML, as servers send in the place of a file: fetch it again, or get the table as CSV"
    return told


def title(rows: Sequence[Sequence[str]]) -> str | None:
    """Return the first line if it is one cell above a table of several columns."""
    rest = {len(row) for row in rows[1:] if row}
    if len(rows) > 3 and len(rows[0]) == 1 and len(rest) == 1 and min(rest) > 1:
        return rows[0][0]
    return None


def guessed_encoding(data: bytes) -> str:
    """Return what a text that is no UTF-8 seems to be in.

    Where letters beyond ASCII stand among others, it is one of Latin scripts; where they make whole words, another.
    """
    words = [word for word in islice(_WORD.findall(data), _LOOKED_AT) if not word.isascii()]
    whole = sum(len(word) > 1 and all(byte > _ASCII for byte in word) for word in words)
    beyond = sum(byte > _ASCII for word in words for byte in word)
    if len(words) < _FEW or (2 * whole < len(words) and 3 * beyond < len(data)):
        return _fitting(_WESTERN, words)
    from charset_normalizer import from_bytes

    best = from_bytes(data[: 1 << 16], cp_isolation=list(_OTHERS)).best()
    if best is None or best.encoding in _CYRILLIC:
        return _fitting(_CYRILLIC, words)
    return best.encoding.replace("_", "-")


def _fitting(encodings: Sequence[str], words: Sequence[bytes]) -> str:
    """Return the encoding by which the most words are words; the first of those that are equal."""

    def fits(encoding: str) -> int:
        return sum(_fits(word.decode(encoding, errors="replace")) for word in words)

    return max(encodings, key=fits).replace("_", "-")


def _fits(text: str) -> bool:
    """Whether a word is letters alone, and no capital one stands behind a small one."""
    return text.isalpha() and not any(one.islower() and other.isupper() for one, other in pairwise(text))
