"""Words and phrases that texts are searched for. Knows no dataset."""

import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipelines.validate.text.words import normalised
from schemas.errors import MakeweightError

_DIGITS = str.maketrans("013457", "oieast")
_SIGNS = str.maketrans("013457@$!|+", "oieastasiit")


def read_words(path: str) -> list[str]:
    """Return the lines of a text file, without blank ones and those that begin with #; raises MakeweightError."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MakeweightError(
            f"inappropriate: cannot read the word list {path}: {error}; give a UTF-8 file with a word or phrase a line"
        ) from error
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


class WordList:
    """Finds listed words whole, in whatever case and form of Unicode, also with digits and signs for letters.

    In scripts without spaces a listed word is found wherever it stands.
    """

    def __init__(self, words: Iterable[str], *, disguised: bool) -> None:
        import regex

        self._disguised = disguised
        listed = {" ".join(_plain(word).split()) for word in words} - {""}
        if disguised:
            listed |= {word.translate(table) for word in listed for table in (_DIGITS, _SIGNS)}
        ordered = sorted(listed, key=lambda word: (-len(word), word))
        self._pattern: Any = None
        if ordered:
            options = "|".join(r"\s+".join(map(regex.escape, word.split())) for word in ordered)
            spaced = r"[\w--[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]]"
            self._pattern = regex.compile(rf"(?V1)(?<!{spaced})(?:{options})(?!{spaced})")

    def found_in(self, text: str) -> bool:
        """Return whether a listed word stands in the text."""
        if self._pattern is None:
            return False
        plain = _plain(text)
        # A sign may stand for a letter or for itself, as at the end of a sentence: both are tried.
        forms = (plain, plain.translate(_DIGITS), plain.translate(_SIGNS)) if self._disguised else (plain,)
        return any(self._pattern.search(form) for form in forms)


def _plain(text: str) -> str:
    """Return the text normalised, without the invisible characters that part a word's letters."""
    plain = normalised(text)
    return plain if plain.isascii() else "".join(c for c in plain if unicodedata.category(c) != "Cf")
