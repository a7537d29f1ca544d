"""Words that occur in similar contexts, learnt from the source alone. Knows counts and linear algebra, no network."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generators.text.ragged import Ragged

_CONTEXTS = 2_000  # the most frequent words serve as context
_BLOCK = 512  # words whose similarities to all others are in memory at once
_SMOOTHING = 0.75  # of context counts, Levy, Goldberg and Dagan 2015


@dataclass(frozen=True)
class Neighbours:
    """The nearest other words of each word, and their cumulated weights; shape (words, k).

    A word that has fewer neighbours stands in the list itself.
    """

    words: NDArray[np.int32]
    cumulated: NDArray[np.float32]

    def draw(self, words: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int32]:
        """Return one of the neighbours of each word."""
        index = (rng.random(len(words), np.float32)[:, None] >= self.cumulated[words, :-1]).sum(axis=1)
        drawn: NDArray[np.int32] = self.words[words, index]
        return drawn


def find_neighbours(
    sentences: Ragged, size: int, usable: NDArray[np.bool_], *, k: int, window: int, dimensions: int, seed: int
) -> Neighbours:
    """Return the `k` nearest usable words of each usable word, by the cosine of their vectors.

    `sentences` holds words as numbers below `size`. Vectors are a truncated SVD of the positive pointwise mutual
    information of each word with the words left and right of it (Levy, Goldberg and Dagan 2015, "Improving
    distributional similarity with lessons learned from word embeddings"). Left and right are different contexts, so
    that neighbours have the same grammar. Weights grow with the similarity. The same arguments give the same
    neighbours.
    """
    nearest = np.repeat(np.arange(size, dtype=np.int32)[:, None], k, axis=1)
    cumulated = np.ones((size, k), np.float32)
    chosen = np.flatnonzero(usable)
    vectors = _word_vectors(_associations(sentences, size, window)[chosen], dimensions, seed)
    if vectors is not None and len(chosen) > 1:
        reach = min(k, len(chosen) - 1)
        for begin in range(0, len(chosen), _BLOCK):
            block = np.arange(begin, min(begin + _BLOCK, len(chosen)))
            near, weights = _nearest_words(vectors, block, reach)
            nearest[chosen[block], :reach] = chosen[near]
            cumulated[chosen[block], :reach] = weights
    return Neighbours(nearest, cumulated)


def _associations(sentences: Ragged, size: int, window: int) -> Any:
    """Return the sparse matrix (words x 2 contexts) of positive pointwise mutual information."""
    from scipy.sparse import coo_matrix

    rows, words = sentences.rows, sentences.values
    contexts = _context_numbers(words, size)
    width = int(contexts.max(initial=-1)) + 1
    left, right, weight = [], [], []
    for distance in range(1, window + 1):
        together = rows[distance:] == rows[:-distance]
        first, second = words[:-distance][together], words[distance:][together]
        left += [first, second]
        right += [contexts[second], np.where(contexts[first] < 0, -1, contexts[first] + width)]
        weight += [np.full(len(first), 1 / distance)] * 2  # nearer words say more
    column = np.concatenate(right)
    known = column >= 0
    cells = (np.concatenate(left)[known], column[known])
    counts = coo_matrix((np.concatenate(weight)[known], cells), (size, max(1, 2 * width))).tocsr()
    return _positive_information(counts)


def _context_numbers(words: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    counts = np.bincount(words, minlength=size)
    frequent = np.argsort(-counts, kind="stable")[:_CONTEXTS]
    numbers = np.full(size, -1, np.int64)
    numbers[frequent] = np.arange(len(frequent))
    return numbers


def _positive_information(counts: Any) -> Any:
    counts = counts.tocoo()
    of_word = np.bincount(counts.row, counts.data, counts.shape[0])
    of_context = np.bincount(counts.col, counts.data, counts.shape[1]) ** _SMOOTHING
    chance = of_word[counts.row] * of_context[counts.col] / max(of_context.sum(), 1e-12)
    counts.data = np.maximum(np.log(counts.data / chance), 0)
    return counts.tocsr()


def _word_vectors(matrix: Any, dimensions: int, seed: int) -> NDArray[np.float32] | None:
    """Return vectors of length 1 (0 for a word without neighbours in any text), or None if there are too few words."""
    from sklearn.decomposition import TruncatedSVD

    dimensions = min(dimensions, min(matrix.shape) - 1)
    if dimensions < 1 or not matrix.nnz:
        return None
    svd = TruncatedSVD(dimensions, random_state=seed % 2**32).fit(matrix)
    scale = np.sqrt(np.maximum(svd.singular_values_, 1e-9))
    vectors = (matrix @ svd.components_.T) / scale  # U times the root of S, Levy et al.'s choice
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit


def _nearest_words(
    vectors: NDArray[np.float32], block: NDArray[np.int64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    likeness = vectors[block] @ vectors.T
    likeness[np.arange(len(block)), block] = -np.inf
    near = np.argpartition(-likeness, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(likeness, near, axis=1), axis=1, kind="stable")
    near = np.take_along_axis(near, order, axis=1)
    weights = np.maximum(np.take_along_axis(likeness, near, axis=1), 1e-6) ** 2
    return near, np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1).astype(np.float32)
