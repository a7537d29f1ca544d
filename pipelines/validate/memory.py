"""Memories of what was accepted, kept in numpy arrays: they grow by a few bytes a row and answer whole batches at once.

They know nothing of rows, strata or validators.
"""

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Places = NDArray[np.int64]

_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
_INSTEAD_OF_ZERO = np.uint64(0x452821E638D01377)
_MOST_FULL = 0.6
_LEAST_BITS = 10
_WINDOW = np.arange(1, 9)


class Slots:
    """Open addressing with linear probing (Knuth, The Art of Computer Programming 3, 6.4) for whole arrays of keys.

    `keys` is the table itself (uint64, 0 where free). Multiplicative hashing takes the product's upper bits, so that a
    table of twice the size holds the same keys in nearly the same order, and growing runs through memory in order.
    Key 0 is held as one fixed other key: for hashed keys that is one more chance in 2^64 of a collision.
    """

    def __init__(self) -> None:
        self.keys = np.zeros(1 << _LEAST_BITS, np.uint64)
        self.used = 0

    def find(self, keys: Words) -> Places:
        """Return the place of each key in `self.keys`, or -1 where it is not held."""
        keys = _nonzero(keys)
        places = self._probe(keys, self._homes(keys))
        return np.where(self.keys[places] == keys, places, -1)

    def insert(self, keys: Words) -> tuple[Places, NDArray[np.bool_]]:
        """Hold each of the keys, which differ from one another; return their places and which were not held before.

        There must be room: see `reserve`.
        """
        keys = _nonzero(keys)
        places = self._probe(keys, self._homes(keys))
        new = self.keys[places] == 0
        pending = np.flatnonzero(new)
        self.used += len(pending)
        while len(pending):
            wanted = keys[pending]
            self.keys[places[pending]] = wanted
            lost = self.keys[places[pending]] != wanted  # another key of this call took the same free slot
            pending = pending[lost]
            places[pending] = self._probe(wanted[lost], places[pending])
        return places, new

    def reserve(self, more: int) -> Places | None:
        """Make room for `more` keys; where the table had to grow, return the new place of each old one, else None.

        The new places are as long as the old table, and -1 where it held no key.
        """
        size = len(self.keys)
        while self.used + more > _MOST_FULL * size:
            size *= 2
        if size == len(self.keys):
            return None
        old, self.keys, self.used = self.keys, np.zeros(size, np.uint64), 0
        held = np.flatnonzero(old)
        moved = np.full(len(old), -1, np.int64)
        moved[held], _ = self.insert(old[held])
        return moved

    def _homes(self, keys: Words) -> Places:
        bits = len(self.keys).bit_length() - 1
        return ((keys * _SPREAD) >> np.uint64(64 - bits)).view(np.int64)

    def _probe(self, keys: Words, places: Places) -> Places:
        """Return the first place, from the given one on, that holds each key or is free.

        Half the keys settle at the first look; the rest look at a window of places at once, since each round costs
        more than its work.
        """
        found = self.keys[places]
        pending = np.flatnonzero((found != keys) & (found != 0))
        while len(pending):
            window = (places[pending, None] + _WINDOW) & (len(self.keys) - 1)
            found = self.keys[window]
            stops = (found == keys[pending, None]) | (found == 0)
            step = stops.argmax(axis=1)
            each = np.arange(len(pending))
            settled = stops[each, step]
            step[~settled] = len(_WINDOW) - 1
            places[pending] = window[each, step]
            pending = pending[~settled]
        return places


def _nonzero(keys: Words) -> Words:
    keys = np.asarray(keys, np.uint64)
    return keys if keys.all() else np.where(keys == 0, _INSTEAD_OF_ZERO, keys)


class FingerprintSet:
    """The 64-bit fingerprints that were accepted: a Novelty for exact duplicates.

    It takes 13 to 27 bytes a fingerprint (32 MiB for two million), and half as much again while it grows.
    """

    def __init__(self) -> None:
        self._slots = Slots()

    def __len__(self) -> int:
        """Return how many fingerprints are held."""
        return self._slots.used

    def admit(self, sketches: Words) -> NDArray[np.bool_]:
        """Return which of the fingerprints (uint64) are new, the first of equal ones alone, and remember them."""
        self._slots.reserve(len(sketches))
        ordered = np.sort(sketches)
        if not (ordered[1:] == ordered[:-1]).any():
            return self._slots.insert(sketches)[1]
        distinct, first = np.unique(sketches, return_index=True)
        new = np.zeros(len(sketches), np.bool_)
        new[first] = self._slots.insert(distinct)[1]
        return new
