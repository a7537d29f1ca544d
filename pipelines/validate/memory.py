"""Memories of accepted rows in numpy arrays: they take a few bytes a row and answer whole batches at once.

They know nothing of rows, strata or validators.
"""

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Indices = NDArray[np.int64]

_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
_INSTEAD_OF_ZERO = np.uint64(0x452821E638D01377)
_MOST_FULL = 0.6
_LEAST_BITS = 10
_WINDOW = np.arange(1, 9)


class Slots:
    """A hash table of whole arrays of keys: open addressing with linear probing (Knuth, TAOCP 3, 6.4).

    `keys` is the table itself (uint64, 0 where free). Multiplicative hashing takes the product's upper bits, so that a
    table of twice the size has the same keys in nearly the same order, and growing runs through memory in order. Key 0
    is stored as one fixed other key: for hashed keys that is one more chance in 2^64 of a collision.
    """

    def __init__(self) -> None:
        self.keys = np.zeros(1 << _LEAST_BITS, np.uint64)
        self.used = 0

    def find(self, keys: Hashes) -> Indices:
        """Return the slot of each key in `self.keys`, or -1 where the table does not have it."""
        keys = _replace_zero(keys)
        slots = self._probe(keys, self._homes(keys))
        return np.where(self.keys[slots] == keys, slots, -1)

    def insert(self, keys: Hashes) -> tuple[Indices, NDArray[np.bool_]]:
        """Add the keys, which differ from one another; return their slots and which are new.

        There must be room: see `reserve`.
        """
        keys = _replace_zero(keys)
        slots = self._probe(keys, self._homes(keys))
        new = self.keys[slots] == 0
        pending = np.flatnonzero(new)
        self.used += len(pending)
        while len(pending):
            wanted = keys[pending]
            self.keys[slots[pending]] = wanted
            lost = self.keys[slots[pending]] != wanted  # another key of this call took the same free slot
            pending = pending[lost]
            slots[pending] = self._probe(wanted[lost], slots[pending])
        return slots, new

    def reserve(self, more: int) -> Indices | None:
        """Make room for `more` keys; if the table had to grow, return the new slot of each old one, else None.

        The new slots are as long as the old table, and -1 where it had no key.
        """
        size = len(self.keys)
        while self.used + more > _MOST_FULL * size:
            size *= 2
        if size == len(self.keys):
            return None
        old, self.keys, self.used = self.keys, np.zeros(size, np.uint64), 0
        used = np.flatnonzero(old)
        moved = np.full(len(old), -1, np.int64)
        moved[used], _ = self.insert(old[used])
        return moved

    def _homes(self, keys: Hashes) -> Indices:
        bits = len(self.keys).bit_length() - 1
        return ((keys * _SPREAD) >> np.uint64(64 - bits)).view(np.int64)

    def _probe(self, keys: Hashes, slots: Indices) -> Indices:
        """Return the first slot, from the given one on, that has each key or is free.

        Half the keys need one look; the rest look at a window of slots at once, since each round costs more than its
        work.
        """
        values = self.keys[slots]
        pending = np.flatnonzero((values != keys) & (values != 0))
        while len(pending):
            window = (slots[pending, None] + _WINDOW) & (len(self.keys) - 1)
            values = self.keys[window]
            stops = (values == keys[pending, None]) | (values == 0)
            step = stops.argmax(axis=1)
            each = np.arange(len(pending))
            settled = stops[each, step]
            step[~settled] = len(_WINDOW) - 1
            slots[pending] = window[each, step]
            pending = pending[~settled]
        return slots


def _replace_zero(keys: Hashes) -> Hashes:
    keys = np.asarray(keys, np.uint64)
    return keys if keys.all() else np.where(keys == 0, _INSTEAD_OF_ZERO, keys)


class FingerprintSet:
    """The 64-bit fingerprints that were accepted: a Novelty for exact duplicates.

    It takes 13 to 27 bytes a fingerprint (32 MiB for two million), and half as much again while it grows.

    >>> memory = FingerprintSet()
    >>> memory.admit(np.array([7, 7, 9], np.uint64))
    array([ True, False,  True])
    >>> memory.admit(np.array([9], np.uint64))
    array([False])
    """

    def __init__(self) -> None:
        self._slots = Slots()

    def __len__(self) -> int:
        """Return the number of fingerprints."""
        return self._slots.used

    def admit(self, sketches: Hashes) -> NDArray[np.bool_]:
        """Return which of the fingerprints (uint64) are new, of equal ones the first, and remember them."""
        self._slots.reserve(len(sketches))
        ordered = np.sort(sketches)
        if not (ordered[1:] == ordered[:-1]).any():
            return self._slots.insert(sketches)[1]
        distinct, first = np.unique(sketches, return_index=True)
        new = np.zeros(len(sketches), np.bool_)
        new[first] = self._slots.insert(distinct)[1]
        return new
