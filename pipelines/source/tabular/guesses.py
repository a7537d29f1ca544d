"""Guesses, for messages, what a file is that is no delimited table, and in which encoding a text is."""

import re
import unicodedata
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
"""The most words that are examined."""
_ASCII = 127
_WESTERN, _TURKISH = "éèàçüöäñóíáêßãõåøæâîôûëïùúìòÉÖÄÜ", "ışğçöüİŞĞÇÖÜâî"
_CENTRAL, _BALTIC = "ąęłżśćńźóčšžřěýáíéůťďňőűöüäăţşâî", "āčēģīķļņšūžąęėįųõäöü"
_CYRILLIC, _GREEK, _HEBREW = "оеаинтсрвлОЕАИНТСРВЛ", "αοιετσνρυκ", "יוהלאמרתשב"
_ARABIC, _THAI = "اليمنرتوبة", "านรกอเงยล่้มวต"
_USUAL = {
    "cp1252": _WESTERN, "cp1250": _CENTRAL, "cp1254": _TURKISH, "cp1257": _BALTIC, "cp850": _WESTERN,
    "cp1251": _CYRILLIC, "koi8_r": _CYRILLIC, "cp866": _CYRILLIC,
    "cp1253": _GREEK, "cp1255": _HEBREW, "cp1256": _ARABIC, "cp874": _THAI,
}  # fmt: skip
"""Single-byte encodings, the more usual first, and the letters beyond ASCII that are frequent in their texts."""
_ASIAN = ("gb18030", "big5", "shift_jis", "euc_jp", "euc_kr")
_SURE = 1.2
"""The least score of texts read in their own encoding."""
_SHOWN, _TRIED = 4, 200
"""The number of encodings shown, and of words among which an example is chosen."""


def other_kind(head: bytes) -> str | None:
    """Return what kind of file begins with `head` and what to do about it, or None if it may be a table."""
    told = next((what for magic, what in _MAGIC.items() if head.startswith(magic)), None)
    if told is None and _MARKUP.match(head[:1000].decode(errors="replace").lstrip("\ufeff")):
        return "a page of HTML or XML, as servers send in the place of a file: fetch it again, or get the table as CSV"
    return told


def title(rows: Sequence[Sequence[str]]) -> str | None:
    """Return the first line if it is a title: one cell above a table of several columns; else None."""
    rest = {len(row) for row in rows[1:] if row}
    if len(rows) > 3 and len(rows[0]) == 1 and len(rest) == 1 and min(rest) > 1:
        return rows[0][0]
    return None


def readings(data: bytes) -> list[tuple[str, str]]:
    """Return pairs of a likely encoding of a text that is not UTF-8, and an example word read in it, likeliest first.

    Of encodings that read the words alike, only one is returned.
    """
    words = _words(data)
    ranked = [guessed_encoding(data), *sorted(_USUAL, key=lambda one: -_score(words, one))]
    likely = [one for one in dict.fromkeys(map(_dashed, ranked)) if words and _score(words[:_TRIED], one) > 0]
    if not likely:
        return []
    telling = max(words[:_TRIED], key=lambda word: (len({_decoded(word, one) for one in likely}), min(len(word), 12)))
    found: dict[str, str] = {}
    for one in likely:
        found.setdefault(_decoded(telling, one), one)
    return [(name, text) for text, name in found.items()][:_SHOWN]


def guessed_encoding(data: bytes) -> str:
    """Return the likeliest encoding of a text that is not UTF-8: its words have usual letters of one script in it."""
    words = _words(data)
    best = max(_USUAL, key=lambda one: _score(words, one))
    if words and _score(words, best) < _SURE:
        from charset_normalizer import from_bytes

        found = from_bytes(data[: 1 << 16], cp_isolation=list(_ASIAN)).best()
        best = found.encoding if found else best
    return _dashed(best)


def _dashed(encoding: str) -> str:
    return encoding.replace("_", "-")


def _words(data: bytes) -> list[bytes]:
    return [word for word in islice(_WORD.findall(data), _LOOKED_AT) if not word.isascii()]


def _decoded(word: bytes, encoding: str) -> str:
    return word.decode(encoding, errors="replace")


def _score(words: Sequence[bytes], encoding: str) -> float:
    """Return the share of plausible words in this encoding plus the share of usual letters beyond ASCII (0 to 2)."""
    if not words:
        return 0.0
    texts = [_decoded(word, encoding) for word in words]
    usual = _USUAL.get(encoding.replace("-", "_"), "")
    beyond = [letter for text in texts for letter in text if ord(letter) > _ASCII]
    share = sum(letter in usual for letter in beyond) / max(1, len(beyond))
    return sum(map(_fits, texts)) / len(texts) + share if usual else 1.0


def _fits(text: str) -> bool:
    """Whether a word is plausible: letters of one script, half of them ASCII if Latin, no capital after a small one."""
    if not all(unicodedata.category(letter)[0] in "LM" for letter in text):
        return False
    if any(one.islower() and other.isupper() for one, other in pairwise(text)):
        return False
    beyond = [letter for letter in text if ord(letter) > _ASCII]
    if any("LATIN" in unicodedata.name(letter, "") for letter in beyond):
        return all("LATIN" in unicodedata.name(letter, "") for letter in text) and (
            len(text) < 3 or 2 * len(beyond) <= len(text)
        )
    return len(beyond) == len(text)
