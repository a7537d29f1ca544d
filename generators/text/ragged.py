"""Rows of different lengths in one flat array, without a Python loop over rows. Knows no text."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ragged:
    """Rows one after the other in `values`, with the length of each.

    >>> Ragged(np.array([5, 6, 7]), np.array([1, 2])).rows
    array([0, 1, 1])
    """

    values: NDArray[np.int32]
    lengths: NDArray[np.int64]

    @property
    def rows(self) -> NDArray[np.int64]:
        """The row of each value."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)


def row_starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each row begins in the flat array.

    >>> row_starts(np.array([1, 2, 3]))
    array([0, 1, 3])
    """
    return np.cumsum(lengths) - lengths


def span_indices(first: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices `first[i]` to `first[i] + lengths[i] - 1` of each span i, one span after the other.

    >>> span_indices(np.array([10, 20]), np.array([2, 3]))
    array([10, 11, 20, 21, 22])
    """
    return np.repeat(first - row_starts(lengths), lengths) + np.arange(int(lengths.sum()))


def shuffle_within(rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return a random order of the indices of `rows` (sorted) that keeps each index in its row."""
    return np.lexsort((rng.random(len(rows)), rows))
