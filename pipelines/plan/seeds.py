"""Derives seeds and keys: every random choice of a build is a hash of the run's seed and of what it decides."""

import hashlib

import numpy as np
from numpy.typing import NDArray


def derive_seed(seed: int, *parts: str | int) -> int:
    """Return a 63-bit seed from the run's seed and the parts, by BLAKE2b (RFC 7693)."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in (seed, *parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def keyed_order(numbers: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Return a 64-bit key for each number; distinct numbers get distinct keys, in an order that the seed decides.

    The mixing function is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014), a bijection on 64 bits.
    """
    key = numbers ^ np.uint64(seed)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        key = (key ^ (key >> np.uint64(shift))) * np.uint64(factor)
    key ^= np.uint64(derive_seed(seed, "order"))
    for shift, factor in ((31, 0xFF51AFD7ED558CCD), (33, 0xC4CEB9FE1A85EC53)):
        key = (key ^ (key >> np.uint64(shift))) * np.uint64(factor)
    return key ^ (key >> np.uint64(33))
