"""Splits texts into words, and into hashed shingles of words. Knows no validator.

Texts are compared as people read them: NFKC-normalised (Unicode Standard Annex 15), in lower case (case-folded), and
without punctuation or spaces. In scripts that write no spaces between words (Chinese, Japanese, Thai, Lao, Khmer,
Burmese) each character with its marks is a word.
"""

import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.source.fingerprint import mix
from pipelines.validate.sets import Sets

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_KNOWN_WORDS = 1 << 18
_SEED = np.uint64(0x13198A2E03707344)


@cache
def _pattern() -> Any:
    import regex

    return regex.compile(rf"(?V1)[{_UNSPACED}]\p{{M}}*|[\w--[{_UNSPACED}]]+")


def normalised(text: str) -> str:
    """Return the text in NFKC and case-folded."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


def words_of(text: str) -> list[str]:
    """Return the normalised words of a text, in order.

    >>> words_of("It's 5 o'clock, Ann!")
    ['it', 's', '5', 'o', 'clock', 'ann']
    """
    words: list[str] = _pattern().findall(normalised(text))
    return words


@lru_cache(_KNOWN_WORDS)
def _hash(word: str) -> int:
    import xxhash

    return xxhash.xxh3_64_intdigest(word.encode(errors="surrogatepass"))


def hash_words(texts: Sequence[str]) -> Sets:
    """Return the 64-bit hash of each word, text by text, in order.

    A text without words counts as one word: its characters without spaces.
    """
    lengths = np.zeros(len(texts), np.int64)
    values: list[int] = []
    for row, text in enumerate(texts):
        words = words_of(text) or ["".join(normalised(text).split())]
        lengths[row] = len(words)
        values.extend(map(_hash, words))
    return Sets.of(np.array(values, np.uint64), lengths)


def shingles(words: Sets, size: int, *, short: bool = True) -> Sets:
    """Return the hash of each run of `size` words (Broder 1997), text by text, in order and with repetitions.

    A text of fewer words gives one run of all its words, or none if `short` is false.
    """
    lengths = words.sizes - size + 1
    lengths = np.maximum(lengths, 1 if short else 0)
    indices = span_indices(words.starts[:-1], lengths)
    ends = np.repeat(words.starts[1:], lengths)
    hashes = np.full(len(indices), _SEED)
    for step in range(size):
        inside = indices + step < ends
        if inside.all():
            mix(np.bitwise_xor(hashes, words.values[indices + step], out=hashes))
        else:
            hashes[inside] = mix(hashes[inside] ^ words.values[indices[inside] + step])
    return Sets.of(hashes, lengths)


def span_indices(first: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices `first[i]` to `first[i] + lengths[i] - 1` of each span i, one span after the other."""
    return np.repeat(first - (np.cumsum(lengths) - lengths), lengths) + np.arange(int(lengths.sum()))


def list_texts(column: Any) -> list[str]:
    """Return a text column (pa.ChunkedArray) as a list, with the empty text for null."""
    return [text or "" for text in column.to_pylist()]
