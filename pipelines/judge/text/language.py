"""Computes figures of texts: shares of words, words that distinguish two sides, diversity. Knows no pages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.validate.text.words import words_of

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

MOST_CHARACTERS = 20_000  # of a text; the rest is not measured
_PRIOR = 500.0  # the weight of the log-odds' prior, in words
_ORDER = 4  # of BLEU


@dataclass(frozen=True)
class Bag:
    """The words of some texts: `ids` are indices into a vocabulary that bags share, `rows` the text of each word."""

    ids: Indices
    rows: Indices
    texts: int

    @property
    def lengths(self) -> Floats:
        """The number of words of each text."""
        return np.bincount(self.rows, minlength=self.texts).astype(np.float64)

    def shares(self, weights: Floats, size: int) -> Floats:
        """Return each word's share of the words of weighted texts, over a vocabulary of `size` words."""
        sums = np.bincount(self.ids, weights=weights[self.rows], minlength=size).astype(np.float64)
        return sums / max(float(sums.sum()), 1e-300)

    def counts(self, texts: NDArray[np.bool_], size: int) -> Floats:
        """Return how often each word occurs in the marked texts."""
        return np.bincount(self.ids[texts[self.rows]], minlength=size).astype(np.float64)


def bags(sides: Sequence[Iterable[str | None]]) -> tuple[list[str], list[Bag]]:
    """Return the vocabulary of all sides, and the bag of each."""
    known: dict[str, int] = {}
    result = []
    for side in sides:
        ids, lengths = list[int](), list[int]()
        for text in side:
            words = words_of((text or "")[:MOST_CHARACTERS])
            ids += [known.setdefault(word, len(known)) for word in words]
            lengths.append(len(words))
        rows = np.repeat(np.arange(len(lengths)), lengths)
        result.append(Bag(np.array(ids, np.int64), rows, len(lengths)))
    return list(known), result


def log_odds(one: Floats, other: Floats, background: Floats) -> Floats:
    """Return by how many standard deviations each word is more likely in `one` than in `other`.

    Log-odds ratios with an informative Dirichlet prior from the background's counts (Monroe, Colaresi and Quinn 2008,
    "Fightin' Words", equations 16 and 22): a rare word does not count as distinctive for being rare.
    """
    prior = _PRIOR * background / max(background.sum(), 1.0)
    total = prior.sum()
    sides = []
    for counts in (one, other):
        smooth = counts + prior
        sides.append((np.log(np.maximum(smooth, 1e-12)) - np.log(counts.sum() + total - smooth + 1e-12), smooth))
    spread = np.sqrt(sum(1 / np.maximum(smooth, 1e-12) for _, smooth in sides))
    scores: Floats = (sides[0][0] - sides[1][0]) / spread
    return np.where(one + other > 0, scores, 0.0)


def distinct_n(texts: Sequence[Sequence[str]], n: int) -> float | None:
    """Return the share of distinct runs among all runs of n words (Li et al. 2016), or None without a run.

    >>> distinct_n([["a", "b", "a", "b"]], 2)
    0.6666666666666666
    """
    runs = [tuple(words[k : k + n]) for words in texts for k in range(len(words) - n + 1)]
    return len(set(runs)) / len(runs) if runs else None


def self_bleu(texts: Sequence[Sequence[str]]) -> float | None:
    """Return the mean BLEU (0 to 100) of each text against all others (Zhu et al. 2018, "Texygen").

    A high value means that the texts are alike. Returns None for fewer than two texts with words.
    """
    from sacrebleu.metrics.bleu import BLEU

    joined = [" ".join(words) for words in texts if words]
    if len(joined) < 2:
        return None
    # Texts are split into words already, also in scripts without spaces; short texts use the orders that they have.
    bleu = BLEU(tokenize="none", effective_order=True, max_ngram_order=_ORDER)
    scores = [bleu.sentence_score(text, joined[:k] + joined[k + 1 :]).score for k, text in enumerate(joined)]
    return float(np.mean(scores))
