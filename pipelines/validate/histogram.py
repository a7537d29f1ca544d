"""Quantiles of streamed measures, in constant memory."""

import numpy as np
from numpy.typing import NDArray


class Histogram:
    """Counts of a streamed measure, for its quantiles; values from 0 to `top` fall into 4,096 steps.

    >>> histogram = Histogram(top=100)
    >>> histogram.add(np.arange(101.0))
    >>> round(histogram.quantile(0.5))
    50
    """

    def __init__(self, top: float) -> None:
        self._top = top
        self._counts = np.zeros(4097, np.int64)

    def add(self, values: NDArray[np.float64]) -> None:
        """Count the values; those above the top count as the top."""
        steps = np.ceil(np.clip(values / self._top, 0, 1) * 4096).astype(np.int64)
        self._counts += np.bincount(steps, minlength=4097)

    def quantile(self, share: float) -> float:
        """Return a value that the given share of the counted values does not exceed; 0 if there are none."""
        step = int(np.searchsorted(np.cumsum(self._counts), share * self._counts.sum()))
        return step / 4096 * self._top
