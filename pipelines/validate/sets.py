"""An exact join of sets by Jaccard similarity, for whole arrays of sets. Knows no text.

Two sets whose similarity reaches a threshold share an element among the first few of each, when the elements of all
sets are in one order (prefix filtering; Chaudhuri et al. 2006, Bayardo et al. 2007). So an index of these prefixes
finds every such pair, and only those that share a prefix element need counting. With rare elements first the
candidates are few (Xiao et al. 2008). No pair is missed, as pairs may be with locality-sensitive hashing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.source.fingerprint import mix
from pipelines.validate.duplicates import contains

Words = NDArray[np.uint64]
Places = NDArray[np.int64]

_ELEMENTS = 1 << 20  # counted at once
_SLACK = 1e-9  # t * n may come out a little above a whole number


@dataclass(frozen=True)
class Sets:
    """Rows of 64-bit hashes: row i is `values[starts[i]:starts[i + 1]]`. As sets, each row's values are distinct."""

    values: Words
    starts: Places

    @classmethod
    def of(cls, values: Words, sizes: Places) -> "Sets":
        """Return rows of the given sizes, one after the other in `values`."""
        return cls(values, np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]))

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.starts) - 1

    @property
    def sizes(self) -> Places:
        """The number of values of each row."""
        return np.diff(self.starts)

    @property
    def rows(self) -> Places:
        """The row of each value."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def take(self, rows: Places) -> "Sets":
        """Return some of the rows, in the order asked for."""
        sizes = self.starts[rows + 1] - self.starts[rows]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        places = np.repeat(self.starts[rows] - starts[:-1], sizes) + np.arange(starts[-1])
        return Sets(self.values[places], starts)

    def slabs(self, rows: int) -> Iterator["Sets"]:
        """Yield all rows, at most so many at a time."""
        for start in range(0, len(self), rows):
            starts = np.asarray(self.starts[start : start + rows + 1])
            yield Sets(np.asarray(self.values[starts[0] : starts[-1]]), starts - starts[0])


def distinct(runs: Sets, rank: NDArray[np.uint32] | None = None) -> Sets:
    """Return each row's values once, those of low rank first; `rank[value mod its length]` says how common one is."""
    rows = runs.rows
    if rank is None:
        order = np.lexsort((runs.values, rows))
    else:
        order = np.lexsort((runs.values, rank[buckets(runs.values, len(rank))], rows))
    rows, values = rows[order], runs.values[order]
    first = np.ones(len(values), np.bool_)
    first[1:] = (values[1:] != values[:-1]) | (rows[1:] != rows[:-1])
    return Sets.of(values[first], np.bincount(rows[first], minlength=len(runs)))


def buckets(values: Words, size: int) -> Places:
    """Return each value's place in a table of `size` (a power of two) buckets."""
    return (values & np.uint64(size - 1)).view(np.int64)


def prefixes(sets: Sets, threshold: float) -> tuple[Words, Places]:
    """Return the prefix elements by which near sets are found, and the row of each."""
    sizes = sets.sizes
    lengths = sizes - np.ceil(threshold * sizes - _SLACK).astype(np.int64) + 1
    lengths = np.minimum(lengths, sizes)
    head = np.arange(len(sets.values)) - np.repeat(sets.starts[:-1], sizes) < np.repeat(lengths, sizes)
    return sets.values[head], np.repeat(np.arange(len(sets)), lengths)


@dataclass(frozen=True)
class Postings:
    """Which rows have a key among their prefix: `keys` (sorted) with the row of each."""

    keys: Words
    rows: Places

    @classmethod
    def of(cls, keys: Words, rows: Places) -> "Postings":
        """Return the postings in the order of their keys."""
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], rows[order])

    def find(self, keys: Words, rows: Places) -> tuple[Places, Places]:
        """Return the pairs (one of `rows`, one of the index's) that share a key, some more than once."""
        order = np.argsort(keys, kind="stable")  # in sorted order the search walks through memory once
        keys, rows = keys[order], rows[order]
        first = np.searchsorted(self.keys, keys)
        counts = np.searchsorted(self.keys, keys, "right") - first
        places = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(int(counts.sum()))
        return np.repeat(rows, counts), np.asarray(self.rows[places], np.int64)


def near_pairs(asked: Sets, held: Sets, index: Postings, threshold: float) -> tuple[Places, Places]:
    """Return all pairs (row of `asked`, row of `held`) of a Jaccard similarity of `threshold` or more.

    Both are ordered by one rank, and `index` holds the prefixes of `held`.
    """
    left, right = index.find(*prefixes(asked, threshold))
    if not len(left):
        return left, right
    width = int(right.max()) + 1
    left, right = np.divmod(np.unique(left * width + right), width)
    sizes = asked.sizes[left], held.starts[right + 1] - held.starts[right]
    alike = np.minimum(*sizes) >= threshold * np.maximum(*sizes) - _SLACK
    left, right, sizes = left[alike], right[alike], (sizes[0][alike], sizes[1][alike])
    common = _common(asked, held, left, right)
    near = common / (sizes[0] + sizes[1] - common) >= threshold
    return left[near], right[near]


def _common(asked: Sets, held: Sets, left: Places, right: Places) -> Places:
    """Return how many values each pair of rows has in common.

    Values are scrambled with their row's tag, so that one search among all rows' values finds those of the one row.
    """
    if not len(left):
        return np.zeros(0, np.int64)
    tags = mix(np.arange(1, len(asked) + 1, dtype=np.uint64))
    known = np.sort(mix(asked.values ^ tags[asked.rows]))
    counts = np.empty(len(left), np.int64)
    step = max(1, _ELEMENTS // int((held.starts[right + 1] - held.starts[right]).max()))
    for start in range(0, len(left), step):
        part = slice(start, start + step)
        taken = held.take(right[part])
        found = contains(known, mix(taken.values ^ tags[left[part]][taken.rows]))
        counts[part] = np.bincount(taken.rows[found], minlength=len(taken))
    return counts
