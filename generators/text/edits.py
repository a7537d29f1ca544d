"""The edits of easy data augmentation, on all texts of a request at once. Knows flat arrays, no strings.

Each function takes texts and a random generator, and returns as many new texts.
"""

import numpy as np
from numpy.typing import NDArray

from generators.text.ragged import Ragged, row_starts, shuffle_within, span_indices
from generators.text.similar import Neighbours
from generators.text.words import Lexicon, Texts


def splice(
    source: Texts, parents: NDArray[np.int64], others: NDArray[np.int64], rate: float, rng: np.random.Generator
) -> Texts:
    """Return each parent's text; a share `rate` of them end with the last part of the other text instead."""
    lengths = source.words.lengths
    mixed = rng.random(len(parents)) < rate
    share = rng.random(len(parents))
    kept_words = np.where(mixed, np.ceil(lengths[parents] * share), lengths[parents]).astype(np.int64)
    added_words = np.where(mixed, np.floor(lengths[others] * (1 - share)), 0).astype(np.int64)
    first = row_starts(lengths)
    begins = np.column_stack([first[parents], first[others] + lengths[others] - added_words]).ravel()
    indices = span_indices(begins, np.column_stack([kept_words, added_words]).ravel())
    tails = source.tails[np.where(added_words > 0, others, parents)]
    return Texts(Ragged(source.words.values[indices], kept_words + added_words), source.glues[indices], tails)


def replace(texts: Texts, lexicon: Lexicon, neighbours: Neighbours, rate: float, rng: np.random.Generator) -> Texts:
    """Return the texts with a share `rate` of the words replaced by neighbours, which take over the capitals."""
    forms = texts.words.values.copy()
    chosen = np.flatnonzero(rng.random(len(forms)) < rate)
    was = forms[chosen]
    key = lexicon.key[was]
    drawn = neighbours.draw(key, rng)
    forms[chosen] = np.where(drawn == key, was, lexicon.variants[drawn, lexicon.shape[was]])
    return Texts(Ragged(forms, texts.words.lengths), texts.glues, texts.tails)


def swap(texts: Texts, rate: float, rng: np.random.Generator) -> Texts:
    """Return the texts, in each of which a share `rate` of the words is shuffled."""
    forms = texts.words.values.copy()
    chosen = np.flatnonzero(rng.random(len(forms)) < rate)
    forms[chosen] = forms[chosen[shuffle_within(texts.words.rows[chosen], rng)]]
    return Texts(Ragged(forms, texts.words.lengths), texts.glues, texts.tails)


def delete(texts: Texts, rate: float, rng: np.random.Generator) -> Texts:
    """Return the texts without a share `rate` of the words and the glue before each; each text keeps one word."""
    rows, lengths = texts.words.rows, texts.words.lengths
    luck = rng.random(len(rows))
    has_words = lengths > 0
    safe = np.lexsort((luck, rows))[np.cumsum(lengths)[has_words] - 1]  # the luckiest of each row
    keep = luck >= rate
    keep[safe] = True
    new_lengths = np.bincount(rows[keep], minlength=len(lengths))
    glues = texts.glues[keep]
    glues[row_starts(new_lengths)[has_words]] = texts.glues[
        row_starts(lengths)[has_words]
    ]  # what a text begins with is not its word's
    return Texts(Ragged(texts.words.values[keep], new_lengths), glues, texts.tails)


def insert(
    texts: Texts,
    lexicon: Lexicon,
    neighbours: Neighbours,
    spaces: NDArray[np.int32],
    rate: float,
    rng: np.random.Generator,
) -> Texts:
    """Return the texts with neighbours of a share `rate` of their words, each inserted after a word of the same text.

    `spaces` gives the glue before each word of the lexicon.
    """
    rows, lengths = texts.words.rows, texts.words.lengths
    origin = np.flatnonzero(rng.random(len(rows)) < rate)
    key = lexicon.key[texts.words.values[origin]]
    drawn = neighbours.draw(key, rng)
    origin, drawn = origin[drawn != key], drawn[drawn != key]
    row = rows[origin]
    index = row_starts(lengths)[row] + (rng.random(len(row)) * lengths[row]).astype(np.int64) + 1
    forms = np.insert(texts.words.values, index, lexicon.variants[drawn, 0])
    glues = np.insert(texts.glues, index, spaces[drawn])
    return Texts(Ragged(forms, lengths + np.bincount(row, minlength=len(lengths))), glues, texts.tails)
