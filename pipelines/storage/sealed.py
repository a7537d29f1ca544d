"""The seal at the end of a file that a build keeps for itself: a hash of its name and of all before it.

What was cut, changed, or lies under another file's name is noticed when it is read. XXH3 with 128 bits
(https://xxhash.com) finds any damage at the speed of memory; it is no guard against who means to deceive. Knows bytes
only, not what is in them.
"""

import os
from collections.abc import Callable
from functools import lru_cache

import pyarrow as pa
import xxhash

_WORD = b"\nsealed "
SIZE = len(_WORD) + 32 + 1
"""Bytes that a seal takes: a line of its own, below what it seals."""


class Sealing:
    """A file to write into, as pyarrow and numpy expect one, that hands on and hashes what passes."""

    closed = False

    def __init__(self, name: str, write: Callable[[bytes], object]) -> None:
        self._hash, self._write = xxhash.xxh3_128(name.encode() + b"\n"), write

    def write(self, data: bytes) -> None:
        """Hand on some bytes."""
        self._hash.update(data)
        self._write(data)

    def flush(self) -> None:
        """Do nothing: whoever opened the file beneath closes it."""

    def close(self) -> None:
        """Do nothing, likewise."""

    def seal(self) -> None:
        """Write the seal, after which nothing may follow."""
        self._write(_WORD + self._hash.hexdigest().encode() + b"\n")


def is_sealed(name: str, data: pa.Buffer) -> bool:
    """Whether the bytes end with the seal of just these bytes under just this name."""
    if data.size < SIZE:
        return False
    found = xxhash.xxh3_128(name.encode() + b"\n")
    found.update(memoryview(inside(data)))
    return bytes(data.slice(data.size - SIZE)) == _WORD + found.hexdigest().encode() + b"\n"


def inside(data: pa.Buffer) -> pa.Buffer:
    """Return what a seal is of, without it and without a copy."""
    return data.slice(0, data.size - SIZE)


def mapped(path: str) -> pa.Buffer:
    """Return the bytes of a local file, which are read where they are used."""
    if not os.path.getsize(path):  # which cannot be mapped
        return pa.py_buffer(b"")
    with pa.memory_map(path) as source:
        return source.read_buffer()


def is_sound(path: str, name: str) -> bool:
    """Whether a local file is sealed under that name. A process hashes it once, as long as it does not change."""
    found = os.stat(path)
    return _is_sound(path, name, found.st_ino, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=65_536)
def _is_sound(path: str, name: str, *_state: int) -> bool:
    return is_sealed(name, mapped(path))
