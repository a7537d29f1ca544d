"""Pairs of values that never occur together, though chance would have brought them together. Knows codes alone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_EXPECTED = 10
"""Rows of a pair that chance would bring; if it expects so many, none at all happens once in 20,000 pairs."""

Zeros = dict[tuple[int, int], NDArray[np.bool_]]


def find_zeros(codes: NDArray[np.int64], sizes: Sequence[int], smooth: Sequence[bool]) -> Zeros:
    """Return for pairs of columns, the earlier first, which of their codes never share a row (bool: sizes of both).

    `codes` is int64 (rows, columns). Column 0 is the class and is left out: any class may have any value. Pairs of two
    smooth columns are left out, too: their codes are bins, and a missing pair of bins is no rule.

    >>> codes = np.array([[0, 0, 0], [0, 1, 1]] * 100)  # the second and third column always agree
    >>> find_zeros(codes, sizes=[1, 2, 2], smooth=[False, False, False])[1, 2].tolist()
    [[False, True], [True, False]]
    """
    zeros: Zeros = {}
    for after in range(2, len(sizes)):
        for before in range(1, after):
            if smooth[before] and smooth[after]:
                continue
            never = _never_together(codes[:, before], codes[:, after], sizes[before], sizes[after])
            if never.any():
                zeros[before, after] = never
    return zeros


def _never_together(before: NDArray[np.int64], after: NDArray[np.int64], rows: int, columns: int) -> NDArray[np.bool_]:
    counts = np.bincount(before * columns + after, minlength=rows * columns).reshape(rows, columns)
    by_chance = np.outer(counts.sum(1), counts.sum(0)) / max(1, len(before))
    never: NDArray[np.bool_] = (counts == 0) & (by_chance >= _EXPECTED)
    return never
