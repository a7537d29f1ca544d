"""Quantiles of measures that stream by, in constant memory."""

import numpy as np
from numpy.typing import NDArray


class Histogram:
    """Counts of a measure that streams by, for its quantiles; values from 0 to `top` are told apart in 4,096 steps."""

    def __init__(self, top: float) -> None:
        self._top = top
        self._counts = np.zeros(4097, np.int64)

    def add(self, values: NDArray[np.float64]) -> None:
        """Count the values; those beyond the top are counted there."""
        steps = np.ceil(np.clip(values / self._top, 0, 1) * 4096).astype(np.int64)
        self._counts += np.bincount(steps, minlength=4097)

    def quantile(self, share: float) -> float:
        """Return a value that this share of those seen does not exceed; 0 if none was."""
        place = int(np.searchsorted(np.cumsum(self._counts), share * self._counts.sum()))
        return place / 4096 * self._top
