"""Formats values and numbers for people. The templates escape them."""

import unicodedata
from dataclasses import dataclass
from typing import Any

NOTHING = "\N{EN DASH}"
"""Stands where there is no number."""
MINUS = "\N{MINUS SIGN}"

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def printable(text: str) -> str:
    """Return `text` with line breaks as `↵`, tabs as `⇥`, and other invisible characters as `�`.

    Joiners stay, since Arabic and Indic scripts and emoji need them; characters that turn the writing direction do not.
    """
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "↵").replace("\n", "↵").replace("\r", "↵").replace("\t", "⇥")
    return "".join(c if c in "\u200c\u200d" or unicodedata.category(c) not in _UNSEEN else "�" for c in text)


def shorten(text: str, most: int) -> str:
    """Return `text`, with an ellipsis in the middle where it is longer than `most` characters.

    >>> len(shorten("a" * 100, 20))
    20
    """
    if len(text) <= most:
        return text
    head = most // 2
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


def label(text: str, most: int = 24) -> str:
    """Return a class or category as a plot's label: one short line, never empty."""
    return shorten(printable(text[:2000]), most) or "(empty)"


@dataclass(frozen=True)
class Cell:
    """A value in a table; `whole` is the full text where `text` was shortened, `look` its CSS class."""

    text: str
    whole: str = ""
    look: str = ""


def cell(value: Any, most: int = 48) -> Cell:
    """Return `value` as a cell; a missing value differs from any text."""
    if value is None or (isinstance(value, float) and value != value):
        return Cell("null", look="none")
    if isinstance(value, bool):
        return Cell(str(value).lower())
    if isinstance(value, int | float):
        return Cell(f"{value:.6g}" if isinstance(value, float) else str(value), look="number")
    if isinstance(value, bytes | dict | list):
        return Cell(f"({type(value).__name__}, {len(value):,} long)", look="none")
    whole = printable(str(value)[:2000])
    if not whole:
        return Cell("empty text", look="none")
    text = shorten(whole, most)
    return Cell(text, whole if text != whole else "")


def compact(number: float, _position: int | None = None) -> str:
    """Return a number for a plot's axis: 250, 12k, 1.5M.

    >>> compact(250), compact(12_000), compact(1_500_000)
    ('250', '12k', '1.5M')
    """
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "k")):
        if abs(number) >= size:
            return f"{number / (1e3 if unit == 'k' else size):.3g}{unit}"
    return f"{number:.4g}"


def percent(share: float | None) -> str:
    """Return a share in percent; never 0% for something nor 100% for less than all.

    >>> percent(0.123)
    '12.3%'
    """
    if share is None:
        return NOTHING
    if share in (0, 1):
        return f"{share:.0%}"
    if 0 < share < 0.0005:
        return "<0.1%"
    if 0.9995 < share < 1:
        return ">99.9%"
    return f"{share:.1%}"


def signed(share: float | None) -> str:
    """Return how far a value is above or below another, in percent with its sign: +12.3%, or 0% for neither."""
    if share is None or share == 0:
        return NOTHING if share is None else "0%"
    return f"{'+' if share > 0 else MINUS}{percent(abs(share))}"


def figure(number: float) -> str:
    """Return a measured number with about four digits: 0.01234, 45.58, 188,673."""
    return f"{number:,.0f}" if 1000 <= abs(number) < 1e12 else f"{number:.4g}"


def thousands(number: float, _position: int | None = None) -> str:
    """Return a count for a plot's axis: 900, 8k, 1.5M."""
    return compact(number) if abs(number) < 1000 or abs(number) >= 1e4 else f"{number / 1e3:.3g}k"


def count(number: int) -> str:
    """Return a whole number with thousands separators."""
    return f"{number:,}"


def seconds(time: float) -> str:
    """Return a duration: 0.4 s, 12 s, 3 min 5 s, 2 h 10 min.

    >>> seconds(185)
    '3 min 5 s'
    """
    if time < 10:
        return f"{time:.1f} s"
    whole = round(time)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(number: int) -> str:
    """Return a number of bytes: 900 B, 1.2 MB.

    >>> size(900)
    '900 B'
    """
    for power, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= power:
            return f"{number / power:,.1f} {unit}"
    return f"{number} B"
