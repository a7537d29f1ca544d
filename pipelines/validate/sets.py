"""An exact join of sets by Jaccard similarity, for whole arrays of sets. Knows no text.

Two sets whose similarity reaches a threshold share an element among the first few of each, when the elements of all
sets are in one order (prefix filtering; Chaudhuri et al. 2006, Bayardo et al. 2007). So an index of these prefixes
finds every pair, and only pairs that share a prefix element need counting. With rare elements first, these pairs are
few (Xiao et al. 2008). No pair is missed, as pairs may be with locality-sensitive hashing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.source.fingerprint import mix
from pipelines.validate.duplicates import contains

Hashes = NDArray[np.uint64]
Indices = NDArray[np.int64]

_ELEMENTS = 1 << 20  # counted at once
_SLACK = 1e-9  # rounding may put t * n a little above a whole number


@dataclass(frozen=True)
class Sets:
    """Rows of 64-bit hashes: row i is `values[starts[i]:starts[i + 1]]`; in a set the values are distinct."""

    values: Hashes
    starts: Indices

    @classmethod
    def of(cls, values: Hashes, sizes: Indices) -> "Sets":
        """Return rows of the given sizes, one after the other in `values`.

        >>> sets = Sets.of(np.array([1, 2, 3], np.uint64), np.array([1, 2]))
        >>> len(sets), sets.rows.tolist()
        (2, [0, 1, 1])
        """
        return cls(values, np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.starts) - 1

    @property
    def sizes(self) -> Indices:
        """The number of values of each row."""
        return np.diff(self.starts)

    @property
    def rows(self) -> Indices:
        """The row of each value."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def take(self, rows: Indices) -> "Sets":
        """Return the selected rows, in the order of `rows`."""
        sizes = self.starts[rows + 1] - self.starts[rows]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        indices = np.repeat(self.starts[rows] - starts[:-1], sizes) + np.arange(starts[-1])
        return Sets(self.values[indices], starts)

    def slabs(self, rows: int) -> Iterator["Sets"]:
        """Yield all rows, at most `rows` at a time."""
        for start in range(0, len(self), rows):
            starts = np.asarray(self.starts[start : start + rows + 1])
            yield Sets(np.asarray(self.values[starts[0] : starts[-1]]), starts - starts[0])


def distinct(runs: Sets, rank: NDArray[np.uint32] | None = None) -> Sets:
    """Return the distinct values of each row, those of low rank first.

    `rank[value mod its length]` says how common a value is.
    """
    rows = runs.rows
    if rank is None:
        order = np.lexsort((runs.values, rows))
    else:
        order = np.lexsort((runs.values, rank[buckets(runs.values, len(rank))], rows))
    rows, values = rows[order], runs.values[order]
    first = np.ones(len(values), np.bool_)
    first[1:] = (values[1:] != values[:-1]) | (rows[1:] != rows[:-1])
    return Sets.of(values[first], np.bincount(rows[first], minlength=len(runs)))


def buckets(values: Hashes, size: int) -> Indices:
    """Return the bucket of each value in a table of `size` buckets, a power of two."""
    return (values & np.uint64(size - 1)).view(np.int64)


def prefixes(sets: Sets, threshold: float) -> tuple[Hashes, Indices]:
    """Return the prefix elements by which similar sets are found, and the row of each."""
    sizes = sets.sizes
    lengths = sizes - np.ceil(threshold * sizes - _SLACK).astype(np.int64) + 1
    lengths = np.minimum(lengths, sizes)
    head = np.arange(len(sets.values)) - np.repeat(sets.starts[:-1], sizes) < np.repeat(lengths, sizes)
    return sets.values[head], np.repeat(np.arange(len(sets)), lengths)


@dataclass(frozen=True)
class Postings:
    """An index of prefixes: `keys` (sorted), and the row of each."""

    keys: Hashes
    rows: Indices

    @classmethod
    def of(cls, keys: Hashes, rows: Indices) -> "Postings":
        """Return the postings in the order of their keys."""
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], rows[order])

    def find(self, keys: Hashes, rows: Indices) -> tuple[Indices, Indices]:
        """Return the pairs (one of `rows`, one row of the index) that share a key, some more than once."""
        order = np.argsort(keys, kind="stable")  # in sorted order the search walks through memory once
        keys, rows = keys[order], rows[order]
        first = np.searchsorted(self.keys, keys)
        counts = np.searchsorted(self.keys, keys, "right") - first
        indices = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(int(counts.sum()))
        return np.repeat(rows, counts), np.asarray(self.rows[indices], np.int64)


def near_pairs(queries: Sets, members: Sets, index: Postings, threshold: float) -> tuple[Indices, Indices]:
    """Return all pairs (row of `queries`, row of `members`) with a Jaccard similarity of at least `threshold`.

    Both are ordered by the same rank, and `index` holds the prefixes of `members`.
    """
    left, right = index.find(*prefixes(queries, threshold))
    if not len(left):
        return left, right
    width = int(right.max()) + 1
    left, right = np.divmod(np.unique(left * width + right), width)
    sizes = queries.sizes[left], members.starts[right + 1] - members.starts[right]
    sizes_fit = np.minimum(*sizes) >= threshold * np.maximum(*sizes) - _SLACK
    left, right, sizes = left[sizes_fit], right[sizes_fit], (sizes[0][sizes_fit], sizes[1][sizes_fit])
    common = _count_common(queries, members, left, right)
    near = common / (sizes[0] + sizes[1] - common) >= threshold
    return left[near], right[near]


def _count_common(queries: Sets, members: Sets, left: Indices, right: Indices) -> Indices:
    """Return how many values each pair of rows has in common.

    Values are scrambled with their row's tag, so that one search among all rows' values finds those of the one row.
    """
    if not len(left):
        return np.zeros(0, np.int64)
    tags = mix(np.arange(1, len(queries) + 1, dtype=np.uint64))
    known = np.sort(mix(queries.values ^ tags[queries.rows]))
    counts = np.empty(len(left), np.int64)
    step = max(1, _ELEMENTS // int((members.starts[right + 1] - members.starts[right]).max()))
    for start in range(0, len(left), step):
        part = slice(start, start + step)
        selected = members.take(right[part])
        is_common = contains(known, mix(selected.values ^ tags[left[part]][selected.rows]))
        counts[part] = np.bincount(selected.rows[is_common], minlength=len(selected))
    return counts
