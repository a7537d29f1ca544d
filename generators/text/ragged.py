"""Rows of different lengths in one flat array, without a Python loop over rows. Knows no text."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ragged:
    """Rows one after the other in `values`, with the length of each."""

    values: NDArray[np.int32]
    lengths: NDArray[np.int64]

    @property
    def rows(self) -> NDArray[np.int64]:
        """The row of each value."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)


def starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each row begins in the flat array."""
    return np.cumsum(lengths) - lengths


def spans(first: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places `first[i] … first[i] + lengths[i] - 1` of each span i, one after the other."""
    return np.repeat(first - starts(lengths), lengths) + np.arange(int(lengths.sum()))


def shuffled_within(rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return a random order of the places of `rows` (sorted) that keeps each place in its row."""
    return np.lexsort((rng.random(len(rows)), rows))
