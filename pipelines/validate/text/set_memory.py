"""Memories of accepted sets, for near-duplicates among texts. Knows nothing of texts or strata."""

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from pipelines.source.fingerprint import mix
from pipelines.validate.sets import Hashes, Indices, Postings, Sets, distinct, near_pairs, prefixes

_BLOCK = 256  # rows admitted at once: bounds the pairs among them
_ERRORS = 4  # standard errors that are added to a MinHash estimate: misses 3 pairs in 100,000
Pairs = tuple[Indices, Indices]


class SetMemory:
    """Sets, and an index that finds all near ones.

    The index is a list of sorted runs, each at least twice as long as the next, that are merged as they grow (a
    logarithmic structure, Bentley and Saxe 1980). It takes 8 bytes for each element and 16 for each element of a
    prefix.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._values: Hashes = np.zeros(0, np.uint64)
        self._starts: Indices = np.zeros(1, np.int64)
        self._count = 0
        self._runs: list[Postings] = []

    def near(self, sets: Sets) -> Pairs:
        """Return all pairs (row of `sets`, row of this memory) that are near."""
        members = Sets(self._values, self._starts[: self._count + 1])
        pairs = [near_pairs(sets, members, run, self._threshold) for run in self._runs]
        if not pairs:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate([rows[0] for rows in pairs]), np.concatenate([rows[1] for rows in pairs])

    def near_within(self, sets: Sets) -> Pairs:
        """Return all pairs (row, earlier row) of `sets` that are near one another."""
        later, earlier = near_pairs(sets, sets, Postings.of(*prefixes(sets, self._threshold)), self._threshold)
        return later[later > earlier], earlier[later > earlier]

    def add(self, sets: Sets) -> None:
        """Add the sets to the memory."""
        if not len(sets):
            return
        end = int(self._starts[self._count])
        if end + len(sets.values) > len(self._values):
            self._values = np.resize(self._values, max(2 * end, end + len(sets.values), 1024))
        if self._count + len(sets) >= len(self._starts):
            self._starts = np.resize(self._starts, max(2 * self._count, self._count + len(sets) + 1, 1024))
        self._values[end : end + len(sets.values)] = sets.values
        self._starts[self._count : self._count + len(sets) + 1] = end + sets.starts
        keys, rows = prefixes(sets, self._threshold)
        self._runs.append(Postings.of(keys, rows + self._count))
        while len(self._runs) > 1 and len(self._runs[-2].keys) < 2 * len(self._runs[-1].keys):
            last, before = self._runs.pop(), self._runs.pop()
            merged = np.concatenate([before.keys, last.keys]), np.concatenate([before.rows, last.rows])
            self._runs.append(Postings.of(*merged))
        self._count += len(sets)


class NearTexts:
    """The accepted texts: a Novelty. `pack` makes the sketches.

    Texts of few shingles are compared by these, exactly. A pair with a long text is compared by MinHash: as two sets of
    (permutation, smallest hash), of which near texts share at least the threshold, less four standard errors.
    """

    def __init__(self, threshold: float, width: int) -> None:
        self._threshold, self._width = threshold, width
        agreement = max(1 / width, threshold - _ERRORS * sqrt(threshold * (1 - threshold) / width))
        self._exact = SetMemory(threshold)
        self._estimated = SetMemory(agreement / (2 - agreement))  # so many of 2 x width have that Jaccard similarity
        self._is_long = np.zeros(0, np.bool_)  # of the held estimated ones

    def admit(self, sketches: Hashes) -> NDArray[np.bool_]:
        """Return which texts are near no accepted one, nor one admitted earlier in this call; remember these."""
        new = [self._admit(sketches[start : start + _BLOCK]) for start in range(0, len(sketches), _BLOCK)]
        return np.concatenate([*new, np.zeros(0, np.bool_)])

    def _admit(self, sketches: Hashes) -> NDArray[np.bool_]:
        short, sets = unpack(sketches)
        big = np.flatnonzero(sketches[:, 0] >= self._threshold * self._width)  # may be near a long one
        signatures = to_signatures(sets.take(big), short[big], self._width)
        few, is_long = np.flatnonzero(short), ~short[big]
        exact = sets.take(few)
        queries, members = self._estimated.near(signatures)
        queries = queries[is_long[queries] | self._is_long[members]]
        fresh = np.ones(len(sketches), np.bool_)
        fresh[few[self._exact.near(exact)[0]]] = False
        fresh[big[queries]] = False
        later, earlier = self._estimated.near_within(signatures)
        mixed = is_long[later] | is_long[earlier]
        pairs = [[few[rows] for rows in self._exact.near_within(exact)], [big[later[mixed]], big[earlier[mixed]]]]
        new = _first_of_near(fresh, np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs]))
        self._exact.add(exact.take(np.flatnonzero(new[few])))
        self._estimated.add(signatures.take(np.flatnonzero(new[big])))
        self._is_long = np.concatenate([self._is_long, is_long[new[big]]])
        return new


def _first_of_near(fresh: NDArray[np.bool_], later: Indices, earlier: Indices) -> NDArray[np.bool_]:
    """Return which fresh rows are kept when, in order, each that is near a kept one is dropped."""
    kept = fresh.copy()
    for pair in np.argsort(later, kind="stable"):
        if kept[earlier[pair]]:
            kept[later[pair]] = False
    return kept


def pack(sets: Sets, width: int) -> Hashes:
    """Return sets as sketches: uint64 of shape (rows, 1 + width).

    The first number is that of the elements; then come the elements and zeros, or the MinHash of more than `width`.
    """
    sizes = sets.sizes
    sketches = np.zeros((len(sets), 1 + width), np.uint64)
    sketches[:, 0] = sizes
    short = sizes <= width
    few = sets.take(np.flatnonzero(short))
    rows = np.flatnonzero(short)[few.rows]
    sketches[rows, 1 + np.arange(len(few.values)) - few.starts[few.rows]] = few.values
    sketches[~short, 1:] = min_hashes(sets.take(np.flatnonzero(~short)), width)
    return sketches


def unpack(sketches: Hashes) -> tuple[NDArray[np.bool_], Sets]:
    """Return which sketches hold the elements themselves, and the elements or hashes of each."""
    width = sketches.shape[1] - 1
    short = sketches[:, 0] <= width
    sizes = np.minimum(sketches[:, 0], np.uint64(width)).astype(np.int64)
    return short, Sets.of(sketches[:, 1:][np.arange(width) < sizes[:, None]], sizes)


def to_signatures(sets: Sets, short: NDArray[np.bool_], width: int) -> Sets:
    """Return the MinHash of each row as a set; rows that are not `short` hold it already."""
    hashes = np.empty((len(sets), width), np.uint64)
    hashes[short] = min_hashes(sets.take(np.flatnonzero(short)), width)
    hashes[~short] = sets.take(np.flatnonzero(~short)).values.reshape(-1, width)
    tags = mix(np.arange(1, width + 1, dtype=np.uint64))
    tagged = mix((hashes ^ tags).ravel())
    return distinct(Sets.of(tagged, np.full(len(sets), width, np.int64)))


def min_hashes(sets: Sets, width: int) -> Hashes:
    """Return the MinHash of each row (Broder 1997), of shape (rows, width)."""
    from datasketch import MinHash

    # The elements are hashes themselves: none is hashed again.
    first = MinHash(num_perm=width, seed=1, scheme="affine64", hashfunc=int)
    hashes = np.empty((len(sets), width), np.uint64)
    for row in range(len(sets)):
        signature = first.copy()
        signature.update_batch(sets.values[sets.starts[row] : sets.starts[row + 1]])
        hashes[row] = signature.hashvalues
    return hashes
