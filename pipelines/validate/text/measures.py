"""Measures of single texts, for whole batches at once. Knows no limits."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.validate.sets import Sets, distinct
from pipelines.validate.text.words import hash_words, shingles

Floats = NDArray[np.float64]

_NEUTRAL = {"Zyyy", "Zinh", "Zzzz"}  # common (digits, punctuation, emoji), inherited (marks), unknown
_ODD = {"Cc", "Cs", "Co", "Cn"}
_FEWEST_PAIRS = 4
_FEWEST_RUNS = 16


@dataclass(frozen=True)
class Letters:
    """The code points of texts, one after the other (uint32), and the number of each one's text."""

    points: NDArray[np.uint32]
    texts: NDArray[np.int64]
    count: int

    def share(self, of: NDArray[np.bool_], among: NDArray[np.bool_] | None = None) -> Floats:
        """Return the share of each text's letters that `of` marks, among all letters or those that `among` marks."""
        part = np.bincount(self.texts[of], minlength=self.count)
        whole = np.bincount(self.texts if among is None else self.texts[among], minlength=self.count)
        return np.asarray(part / np.maximum(whole, 1))


def letters_of(texts: Sequence[str]) -> Letters:
    """Return the code points of texts.

    >>> letters_of(["ab", "c"]).texts
    array([0, 0, 1])
    """
    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    return Letters(points, np.repeat(np.arange(len(texts)), lengths), len(texts))


class Scripts:
    """Numbers the script of each character (Unicode Standard Annex 24), and tells which characters are odd."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._known: dict[int, tuple[int, bool]] = {}

    def of(self, letters: Letters) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the index of each letter's script in `names` (-1 for no script), and which letters are odd.

        Odd letters are control characters (except tabs and line breaks), the replacement character, and unassigned
        ones.
        """
        points, index = np.unique(letters.points, return_inverse=True)
        properties = [self._known.get(point) or self._look_up(point) for point in points.tolist()]
        scripts = np.array([script for script, _ in properties], np.int64)
        return scripts[index], np.array([odd for _, odd in properties], np.bool_)[index]

    def _look_up(self, point: int) -> tuple[int, bool]:
        from fontTools.unicodedata import script

        letter = chr(point)
        odd = (unicodedata.category(letter) in _ODD and letter not in "\t\n\r") or letter == "\ufffd"
        name = script(letter)
        if name not in _NEUTRAL and name not in self.names:
            self.names.append(name)
        self._known[point] = (-1 if name in _NEUTRAL else self.names.index(name), odd)
        return self._known[point]


def longest_runs(letters: Letters) -> NDArray[np.int64]:
    """Return the length of the longest run of one character in each text; white space does not count.

    >>> longest_runs(letters_of(["hello", "aaah"]))
    array([2, 3])
    """
    points, texts = letters.points, letters.texts
    if not len(points):
        return np.zeros(letters.count, np.int64)
    first = np.ones(len(points), np.bool_)
    first[1:] = (points[1:] != points[:-1]) | (texts[1:] != texts[:-1])
    starts = np.flatnonzero(first)
    lengths = np.diff(np.append(starts, len(points)))
    lengths[np.isin(points[starts], [9, 10, 13, 32, 0xA0, 0x3000])] = 0
    runs = np.zeros(letters.count, np.int64)
    np.maximum.at(runs, texts[starts], lengths)
    return runs


def word_repetition(texts: Sequence[str]) -> tuple[NDArray[np.int64], Floats]:
    """Return each text's number of words, and the share of its pairs of words that occurred before in it.

    The share is 0 with fewer than four pairs (after Rae et al. 2021, arXiv:2112.11446).
    """
    words = hash_words(texts)
    pairs = shingles(words, 2, short=False)
    once = distinct(pairs).sizes
    share = 1 - once / np.maximum(pairs.sizes, 1)
    return words.sizes, np.where(pairs.sizes >= _FEWEST_PAIRS, share, 0.0)


def character_repetition(letters: Letters) -> Floats:
    """Return the share of each text's runs of eight characters that occurred before in it; 0 with fewer than 16 runs.

    It finds repetition that words do not show, as in "abcabcabc". (The usual measure, the compression by zlib, depends
    on the build of zlib.)
    """
    points = Sets.of(letters.points.astype(np.uint64), np.bincount(letters.texts, minlength=letters.count))
    runs = shingles(points, 8, short=False)
    share = 1 - distinct(runs).sizes / np.maximum(runs.sizes, 1)
    return np.where(runs.sizes >= _FEWEST_RUNS, share, 0.0)
