"""An exact search of 64-bit codes by Hamming distance, for whole arrays of codes. Knows no images.

Codes are cut into parts (multi-index hashing; Norouzi, Punjani and Fleet 2012): two codes that differ in few bits
differ in very few in at least one part, so that looking the parts up finds every such pair. None is missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from pipelines.validate.sets import Places, Postings, Words

_BITS = 64
_ASKED = 1_024  # codes asked for at once: bounds the pairs
_BLOCK = 256  # codes admitted at once
_MANY = 100_000  # codes that a memory is made for
_LOOK_UP = 4  # a look-up costs as much as comparing so many codes
Pairs = tuple[Places, Places]


@dataclass(frozen=True)
class Part:
    """Bits `first` to `first + bits` of a code, in which near codes differ by `radius` at most."""

    first: int
    bits: int
    radius: int

    def of(self, codes: Words) -> Words:
        """Return that part of each code."""
        mask = np.uint64((1 << self.bits) - 1)
        return (codes >> np.uint64(self.first)) & mask

    def around(self, codes: Words) -> tuple[Words, Places]:
        """Return all parts within the radius of each code's, and the code that each belongs to."""
        sets = [bits for size in range(self.radius + 1) for bits in combinations(range(self.bits), size)]
        flips = np.array([sum(1 << bit for bit in bits) for bits in sets], np.uint64)
        return (self.of(codes)[:, None] ^ flips).ravel(), np.repeat(np.arange(len(codes)), len(flips))

    def cost(self, rows: int) -> float:
        """Return about what it costs to ask for one code among so many."""
        probes = sum(comb(self.bits, size) for size in range(self.radius + 1))
        return probes * (_LOOK_UP + rows / 2.0**self.bits)


def parts_for(distance: int, rows: int) -> list[Part]:
    """Return the parts by which codes within `distance` of one another are found cheapest among so many."""
    return min((_cut(distance, count) for count in range(1, distance + 2)), key=lambda cut: _cost(cut, rows))


def _cost(parts: list[Part], rows: int) -> float:
    return sum(part.cost(rows) for part in parts)


def _cut(distance: int, count: int) -> list[Part]:
    """Return `count` parts, of which some pair of near codes' parts is within its radius.

    If the first ones, as many as the remainder and one, differed in more than the quotient, and the rest in as many as
    it, there would be more than `distance` differences in all. Parts that cannot differ so little are left out.
    """
    radius, more = divmod(distance, count)
    edges = [_BITS * place // count for place in range(count + 1)]
    parts = [Part(edges[k], edges[k + 1] - edges[k], radius if k <= more else radius - 1) for k in range(count)]
    return [part for part in parts if part.radius >= 0]


def post(codes: Words, parts: Sequence[Part], first: int = 0) -> list[Postings]:
    """Return the postings of each part of the codes, which are numbered from `first`."""
    rows = np.arange(first, first + len(codes))
    return [Postings.of(part.of(codes), rows) for part in parts]


def near_codes(asked: Words, held: Words, index: Sequence[Postings], parts: Sequence[Part], distance: int) -> Pairs:
    """Return the pairs (place in `asked`, place in `held`) within `distance`, some more than once."""
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for start in range(0, len(asked), _ASKED):
        for part, postings in zip(parts, index, strict=True):
            left, right = postings.find(*part.around(asked[start : start + _ASKED]))
            left += start
            near = np.bitwise_count(asked[left] ^ held[right]) <= distance
            found.append((left[near], right[near]))
    return np.concatenate([pair[0] for pair in found]), np.concatenate([pair[1] for pair in found])


class NearCodes:
    """The accepted codes: a Novelty. Sketches are the codes themselves.

    The index is a list of runs, each at least twice as long as the next, that are merged as they grow (a logarithmic
    structure, Bentley and Saxe 1980). Takes about 90 bytes a code at a distance of 4.
    """

    def __init__(self, distance: int) -> None:
        self._distance = distance
        self._parts = parts_for(distance, _MANY)
        self._codes: Words = np.zeros(0, np.uint64)
        self._held = 0
        self._runs: list[list[Postings]] = []

    def __len__(self) -> int:
        """Return how many codes are held."""
        return self._held

    def admit(self, sketches: Words) -> NDArray[np.bool_]:
        """Return which codes are near none that is held nor one admitted earlier in the call; remember those."""
        new = [self._admit(sketches[start : start + _BLOCK]) for start in range(0, len(sketches), _BLOCK)]
        return np.concatenate([*new, np.zeros(0, np.bool_)])

    def _admit(self, codes: Words) -> NDArray[np.bool_]:
        fresh = np.ones(len(codes), np.bool_)
        for run in self._runs:
            fresh[near_codes(codes, self._codes, run, self._parts, self._distance)[0]] = False
        near = np.tril(np.bitwise_count(codes[:, None] ^ codes) <= self._distance, -1)
        for row in np.flatnonzero(near.any(axis=1)):
            fresh[row] &= not (near[row] & fresh).any()
        self._remember(codes[fresh])
        return fresh

    def _remember(self, codes: Words) -> None:
        if not len(codes):
            return
        end = self._held + len(codes)
        if end > len(self._codes):
            self._codes = np.resize(self._codes, max(2 * self._held, end, 1024))
        self._codes[self._held : end] = codes
        self._runs.append(post(codes, self._parts, self._held))
        self._held = end
        while len(self._runs) > 1 and len(self._runs[-2][0].keys) < 2 * len(self._runs[-1][0].keys):
            last, before = self._runs.pop(), self._runs.pop()
            self._runs.append([_merged(*both) for both in zip(before, last, strict=True)])


def _merged(before: Postings, last: Postings) -> Postings:
    return Postings.of(np.concatenate([before.keys, last.keys]), np.concatenate([before.rows, last.rows]))
