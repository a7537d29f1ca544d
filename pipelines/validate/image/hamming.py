"""An exact search of 64-bit codes by Hamming distance, for whole arrays of codes. Knows no images.

Codes are cut into parts (multi-index hashing; Norouzi, Punjani and Fleet 2012): two codes that differ in few bits
differ in very few bits in at least one part, so that looking up the parts finds every pair.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from pipelines.validate.sets import Hashes, Indices, Postings

_BITS = 64
_QUERIES_AT_ONCE = 1_024  # codes searched at once: bounds the number of pairs
_BLOCK = 256  # codes admitted at once
_EXPECTED_CODES = 100_000  # codes for which the parts of a memory are chosen
_LOOK_UP = 4  # a look-up costs as much as comparing so many codes
Pairs = tuple[Indices, Indices]


@dataclass(frozen=True)
class Part:
    """Bits `first` to `first + bits` of a code, in which near codes differ by at most `radius` bits."""

    first: int
    bits: int
    radius: int

    def of(self, codes: Hashes) -> Hashes:
        """Return this part of each code."""
        mask = np.uint64((1 << self.bits) - 1)
        return (codes >> np.uint64(self.first)) & mask

    def around(self, codes: Hashes) -> tuple[Hashes, Indices]:
        """Return all parts within the radius of each code's part, and the index of the code that each belongs to."""
        sets = [bits for size in range(self.radius + 1) for bits in combinations(range(self.bits), size)]
        flips = np.array([sum(1 << bit for bit in bits) for bits in sets], np.uint64)
        return (self.of(codes)[:, None] ^ flips).ravel(), np.repeat(np.arange(len(codes)), len(flips))

    def cost(self, rows: int) -> float:
        """Return the approximate cost of searching one code among `rows` codes."""
        probes = sum(comb(self.bits, size) for size in range(self.radius + 1))
        return probes * (_LOOK_UP + rows / 2.0**self.bits)


def parts_for(distance: int, rows: int) -> list[Part]:
    """Return the cheapest parts for finding codes within `distance` of one another among `rows` codes."""
    return min(
        (_split_bits(distance, count) for count in range(1, distance + 2)), key=lambda cut: _total_cost(cut, rows)
    )


def _total_cost(parts: list[Part], rows: int) -> float:
    return sum(part.cost(rows) for part in parts)


def _split_bits(distance: int, count: int) -> list[Part]:
    """Return `count` parts, in at least one of which two near codes differ by no more than its radius.

    Let q and r be the quotient and the remainder of distance / count. If the first r + 1 parts differed in more than q
    bits each, and the others in q or more, all differences would be more than `distance`. Parts whose radius is
    negative are left out.
    """
    radius, more = divmod(distance, count)
    edges = [_BITS * number // count for number in range(count + 1)]
    parts = [Part(edges[k], edges[k + 1] - edges[k], radius if k <= more else radius - 1) for k in range(count)]
    return [part for part in parts if part.radius >= 0]


def index_parts(codes: Hashes, parts: Sequence[Part], first: int = 0) -> list[Postings]:
    """Return the postings of each part of the codes, which are numbered from `first`."""
    rows = np.arange(first, first + len(codes))
    return [Postings.of(part.of(codes), rows) for part in parts]


def near_codes(
    queries: Hashes, codes: Hashes, index: Sequence[Postings], parts: Sequence[Part], distance: int
) -> Pairs:
    """Return the pairs (index in `queries`, index in `codes`) within `distance`, some more than once."""
    pairs = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        for part, postings in zip(parts, index, strict=True):
            left, right = postings.find(*part.around(queries[start : start + _QUERIES_AT_ONCE]))
            left += start
            near = np.bitwise_count(queries[left] ^ codes[right]) <= distance
            pairs.append((left[near], right[near]))
    return np.concatenate([rows[0] for rows in pairs]), np.concatenate([rows[1] for rows in pairs])


class NearCodes:
    """The accepted codes: a Novelty. The sketches are the codes themselves.

    The index is a list of runs, each at least twice as long as the next, that are merged as they grow (a logarithmic
    structure, Bentley and Saxe 1980). It takes about 90 bytes a code at a distance of 4.
    """

    def __init__(self, distance: int) -> None:
        self._distance = distance
        self._parts = parts_for(distance, _EXPECTED_CODES)
        self._codes: Hashes = np.zeros(0, np.uint64)
        self._count = 0
        self._runs: list[list[Postings]] = []

    def __len__(self) -> int:
        """Return the number of codes."""
        return self._count

    def admit(self, sketches: Hashes) -> NDArray[np.bool_]:
        """Return which codes are near no accepted one, nor one admitted earlier in this call; remember these."""
        new = [self._admit(sketches[start : start + _BLOCK]) for start in range(0, len(sketches), _BLOCK)]
        return np.concatenate([*new, np.zeros(0, np.bool_)])

    def _admit(self, codes: Hashes) -> NDArray[np.bool_]:
        fresh = np.ones(len(codes), np.bool_)
        for run in self._runs:
            fresh[near_codes(codes, self._codes, run, self._parts, self._distance)[0]] = False
        near = np.tril(np.bitwise_count(codes[:, None] ^ codes) <= self._distance, -1)
        for row in np.flatnonzero(near.any(axis=1)):
            fresh[row] &= not (near[row] & fresh).any()
        self._remember(codes[fresh])
        return fresh

    def _remember(self, codes: Hashes) -> None:
        if not len(codes):
            return
        end = self._count + len(codes)
        if end > len(self._codes):
            self._codes = np.resize(self._codes, max(2 * self._count, end, 1024))
        self._codes[self._count : end] = codes
        self._runs.append(index_parts(codes, self._parts, self._count))
        self._count = end
        while len(self._runs) > 1 and len(self._runs[-2][0].keys) < 2 * len(self._runs[-1][0].keys):
            last, before = self._runs.pop(), self._runs.pop()
            self._runs.append([_merge(*both) for both in zip(before, last, strict=True)])


def _merge(before: Postings, last: Postings) -> Postings:
    return Postings.of(np.concatenate([before.keys, last.keys]), np.concatenate([before.rows, last.rows]))
