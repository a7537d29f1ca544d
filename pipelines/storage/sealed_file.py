"""Seals files that a build keeps for itself: the last line of a file is a hash of its name and of all bytes before.

A reader notices a file that was cut, changed, or renamed. The hash is XXH3 with 128 bits (https://xxhash.com), which is
as fast as memory. It guards against damage, not against an attacker, who could write another seal.
"""

import os
from collections.abc import Callable
from functools import lru_cache

import pyarrow as pa
import xxhash

_WORD = b"\nsealed "
SIZE = len(_WORD) + 32 + 1
"""Bytes of a seal, which is the last line of its file."""


class Sealing:
    """A file-like object for pyarrow and numpy that hashes all bytes and passes them on to `write`."""

    closed = False

    def __init__(self, name: str, write: Callable[[bytes], object]) -> None:
        self._hash, self._write = xxhash.xxh3_128(name.encode() + b"\n"), write

    def write(self, data: bytes) -> None:
        """Hash the bytes, and pass them on."""
        self._hash.update(data)
        self._write(data)

    def flush(self) -> None:
        """Do nothing: whoever opened the underlying file closes it."""

    def close(self) -> None:
        """Do nothing, as in `flush`."""

    def seal(self) -> None:
        """Write the seal. Nothing may be written after it."""
        self._write(_WORD + self._hash.hexdigest().encode() + b"\n")


def is_sealed(name: str, data: pa.Buffer) -> bool:
    """Whether the bytes end with the right seal for these bytes and this file name."""
    if data.size < SIZE:
        return False
    digest = xxhash.xxh3_128(name.encode() + b"\n")
    digest.update(memoryview(without_seal(data)))
    return bytes(data.slice(data.size - SIZE)) == _WORD + digest.hexdigest().encode() + b"\n"


def without_seal(data: pa.Buffer) -> pa.Buffer:
    """Return the bytes before the seal, without a copy."""
    return data.slice(0, data.size - SIZE)


def map_file(path: str) -> pa.Buffer:
    """Map a local file into memory: its bytes are read when they are used."""
    if not os.path.getsize(path):  # an empty file cannot be mapped
        return pa.py_buffer(b"")
    with pa.memory_map(path) as source:
        return source.read_buffer()


def is_file_sealed(path: str, name: str) -> bool:
    """Whether a local file has the right seal for this name. A process hashes an unchanged file once."""
    about = os.stat(path)
    return _is_file_sealed(path, name, about.st_ino, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=65_536)
def _is_file_sealed(path: str, name: str, *_state: int) -> bool:
    return is_sealed(name, map_file(path))
