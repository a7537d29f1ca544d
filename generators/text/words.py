"""Splits texts into flat arrays of words, and joins them again. Knows no model.

A text is split into words and the glue between them (spaces, punctuation): `glue word glue word … glue`. Joined again
unchanged they are the text, letter by letter. In scripts that write no spaces between words (Chinese, Japanese, Thai,
Lao, Khmer, Burmese) each grapheme is a word.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from generators.text.ragged import Ragged

LOWER, TITLE, UPPER = 0, 1, 2
"""The capitals of a word: as in most texts, the first letter, all letters."""

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_FIXED = r"(?:https?://|www\.)\S*[\p{L}\p{N}/]|[\w.+-]+@\w[\w-]*(?:\.\w+)+"
_SPACED = rf"(?:(?![{_UNSPACED}])[\p{{L}}\p{{M}}\p{{N}}_])"
_WORD = rf"{_FIXED}|(?=[{_UNSPACED}])\X|{_SPACED}+(?:[\u2019'.,:&/-]{_SPACED}+)*"


@cache
def _word_pattern() -> Any:
    import regex

    return regex.compile(_WORD)


@cache
def _unspaced_pattern() -> Any:
    import regex

    return regex.compile(rf"[{_UNSPACED}]\X?")


def is_unspaced(word: str) -> bool:
    """Whether the word belongs to a script without spaces."""
    return bool(_unspaced_pattern().match(word))


def is_plain(word: str) -> bool:
    """Whether the word may be replaced or replace another: no number, link or address.

    >>> is_plain("boat"), is_plain("2024"), is_plain("a@b.org")
    (True, False, False)
    """
    return not any(letter.isdigit() or letter in "@/" for letter in word)


def shape_of(word: str) -> int:
    """Return the capitals of a word: LOWER, TITLE or UPPER.

    >>> [shape_of(word) for word in ("boat", "Boat", "BOAT")]
    [0, 1, 2]
    """
    if len(word) > 1 and word.isupper():
        return UPPER
    return TITLE if word[:1].isupper() else LOWER


def apply_shape(word: str, shape: int) -> str:
    """Return the word with these capitals; LOWER leaves it as it is.

    >>> apply_shape("boat", TITLE)
    'Boat'
    """
    return (word, word[:1].upper() + word[1:], word.upper())[shape]


@dataclass(frozen=True)
class Lexicon:
    """The words of a source.

    `forms` are words as they are written, `glues` the strings between them. For each form, `key` is the number of its
    word in `keys`, and `shape` its capitals. `variants` (keys x 3) holds the form of each word in each shape.
    """

    forms: pa.StringArray
    glues: pa.StringArray
    keys: list[str]
    key: NDArray[np.int32]
    shape: NDArray[np.int8]
    variants: NDArray[np.int32]


@dataclass(frozen=True)
class Texts:
    """Texts as numbers in a lexicon: `words`, the `glues` before each, and `tails`, the glue after the last word."""

    words: Ragged
    glues: NDArray[np.int32]
    tails: NDArray[np.int32]


class _Numbering(dict[str, int]):
    """Numbers strings in the order in which they first come."""

    def __missing__(self, string: str) -> int:
        self[string] = len(self)
        return self[string]


def split_texts(texts: Iterable[str]) -> tuple[Texts, list[str], list[str]]:
    """Return the texts as numbers, and the forms of words and glues that the numbers stand for."""
    forms, glues = _Numbering(), _Numbering()
    words: list[int] = []
    before: list[int] = []
    tails: list[int] = []
    lengths: list[int] = []
    pattern = _word_pattern()
    for text in texts:
        end, first = 0, len(words)
        for match in pattern.finditer(text):
            start = match.start()
            before.append(glues[text[end:start]])
            end = match.end()
            words.append(forms[text[start:end]])
        tails.append(glues[text[end:]])
        lengths.append(len(words) - first)
    ragged = Ragged(np.asarray(words, np.int32), np.asarray(lengths, np.int64))
    return Texts(ragged, np.asarray(before, np.int32), np.asarray(tails, np.int32)), list(forms), list(glues)


def make_lexicon(forms: list[str], glues: list[str], counts: NDArray[np.int64]) -> Lexicon:
    """Return the lexicon of forms that occur `counts` times; forms that differ only in capitals are one word."""
    common: dict[str, int] = {}
    for number, form in enumerate(forms):
        best = common.setdefault(form.lower(), number)
        if counts[number] > counts[best]:
            common[form.lower()] = number
    keys = list(common)
    key_of = {key: number for number, key in enumerate(keys)}
    number_of = _Numbering((form, number) for number, form in enumerate(forms))
    variants = [_variants(key, forms[common[key]], number_of) for key in keys]
    every = list(number_of)
    return Lexicon(
        pa.array(every, pa.string()),
        pa.array([*glues, " ", ""], pa.string()),
        keys,
        np.fromiter((key_of.get(form.lower(), 0) for form in every), np.int32, len(every)),
        np.fromiter(map(shape_of, every), np.int8, len(every)),
        np.asarray(variants, np.int32).reshape(-1, 3),
    )


def _variants(key: str, common: str, number_of: _Numbering) -> list[int]:
    usual = common if shape_of(common) != UPPER else key
    return [number_of[usual], number_of[apply_shape(key, TITLE)], number_of[apply_shape(key, UPPER)]]


def join_texts(texts: Texts, lexicon: Lexicon) -> pa.StringArray:
    """Return the texts as strings."""
    count = len(texts.tails)
    lengths = texts.words.lengths
    ends = np.cumsum(2 * lengths + 1)
    # Words are numbered after the glues, so that one look-up serves both.
    pieces = np.empty(int(ends[-1]) if count else 0, np.int32)
    is_tail = np.zeros(len(pieces), bool)
    is_tail[ends - 1] = True
    pieces[is_tail] = texts.tails
    both = np.empty(2 * len(texts.glues), np.int32)
    both[0::2], both[1::2] = texts.glues, texts.words.values + len(lexicon.glues)
    pieces[~is_tail] = both
    strings = pa.concat_arrays([lexicon.glues, lexicon.forms]).take(pa.array(pieces))
    lists = pa.LargeListArray.from_arrays(pa.array(np.concatenate([[0], ends]), pa.int64()), strings)
    return pc.binary_join(lists, "")


def space_before(lexicon: Lexicon) -> NDArray[np.int32]:
    """Return the glue before each word of the lexicon when it is inserted into a text."""
    space, nothing = len(lexicon.glues) - 2, len(lexicon.glues) - 1
    return np.fromiter((nothing if is_unspaced(key) else space for key in lexicon.keys), np.int32, len(lexicon.keys))
