"""The edits of easy data augmentation, on all texts of a request at once. Knows flat arrays, no strings.

Each takes texts and a random generator and returns new texts of the same number.
"""

import numpy as np
from numpy.typing import NDArray

from generators.text.ragged import Ragged, shuffled_within, spans, starts
from generators.text.similar import Neighbours
from generators.text.words import Lexicon, Texts


def splice(
    source: Texts, parents: NDArray[np.int64], others: NDArray[np.int64], rate: float, rng: np.random.Generator
) -> Texts:
    """Return for each parent its text; for a share `rate`, its first part and the last part of the other text."""
    lengths = source.words.lengths
    mixed = rng.random(len(parents)) < rate
    share = rng.random(len(parents))
    kept = np.where(mixed, np.ceil(lengths[parents] * share), lengths[parents]).astype(np.int64)
    added = np.where(mixed, np.floor(lengths[others] * (1 - share)), 0).astype(np.int64)
    first = starts(lengths)
    begins = np.column_stack([first[parents], first[others] + lengths[others] - added]).ravel()
    places = spans(begins, np.column_stack([kept, added]).ravel())
    tails = source.tails[np.where(added > 0, others, parents)]
    return Texts(Ragged(source.words.values[places], kept + added), source.glues[places], tails)


def replace(texts: Texts, lexicon: Lexicon, neighbours: Neighbours, rate: float, rng: np.random.Generator) -> Texts:
    """Return the texts with a share `rate` of the words replaced by neighbours, written as the word that was there."""
    forms = texts.words.values.copy()
    chosen = np.flatnonzero(rng.random(len(forms)) < rate)
    was = forms[chosen]
    key = lexicon.key[was]
    drawn = neighbours.draw(key, rng)
    forms[chosen] = np.where(drawn == key, was, lexicon.variants[drawn, lexicon.shape[was]])
    return Texts(Ragged(forms, texts.words.lengths), texts.glues, texts.tails)


def swap(texts: Texts, rate: float, rng: np.random.Generator) -> Texts:
    """Return the texts with a share `rate` of the words of each shuffled among themselves."""
    forms = texts.words.values.copy()
    chosen = np.flatnonzero(rng.random(len(forms)) < rate)
    forms[chosen] = forms[chosen[shuffled_within(texts.words.rows[chosen], rng)]]
    return Texts(Ragged(forms, texts.words.lengths), texts.glues, texts.tails)


def delete(texts: Texts, rate: float, rng: np.random.Generator) -> Texts:
    """Return the texts without a share `rate` of the words and the glue before each; one word of each text stays."""
    rows, lengths = texts.words.rows, texts.words.lengths
    luck = rng.random(len(rows))
    some = lengths > 0
    safe = np.lexsort((luck, rows))[np.cumsum(lengths)[some] - 1]  # the luckiest of each row
    keep = luck >= rate
    keep[safe] = True
    left = np.bincount(rows[keep], minlength=len(lengths))
    glues = texts.glues[keep]
    glues[starts(left)[some]] = texts.glues[starts(lengths)[some]]  # what a text begins with is not its word's
    return Texts(Ragged(texts.words.values[keep], left), glues, texts.tails)


def insert(
    texts: Texts,
    lexicon: Lexicon,
    neighbours: Neighbours,
    spaces: NDArray[np.int32],
    rate: float,
    rng: np.random.Generator,
) -> Texts:
    """Return the texts with neighbours of a share `rate` of their words put after other words of the same text.

    `spaces` gives for each of the lexicon's words the glue before it.
    """
    rows, lengths = texts.words.rows, texts.words.lengths
    origin = np.flatnonzero(rng.random(len(rows)) < rate)
    key = lexicon.key[texts.words.values[origin]]
    drawn = neighbours.draw(key, rng)
    origin, drawn = origin[drawn != key], drawn[drawn != key]
    row = rows[origin]
    place = starts(lengths)[row] + (rng.random(len(row)) * lengths[row]).astype(np.int64) + 1
    forms = np.insert(texts.words.values, place, lexicon.variants[drawn, 0])
    glues = np.insert(texts.glues, place, spaces[drawn])
    return Texts(Ragged(forms, lengths + np.bincount(row, minlength=len(lengths))), glues, texts.tails)
