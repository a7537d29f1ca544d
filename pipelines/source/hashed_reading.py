"""Hashes files while they are read, so that what was read is known to be what a fingerprint says.

A stream is hashed as it passes. A file that is read here and there, as Parquet is, is hashed whole before, and each
block is compared when it is read. Whatever is read of a file twice must be the same both times.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any

import pyarrow as pa
import xxhash

from pipelines.source.files import CHUNK, Files, file_hash, readable
from schemas.errors import SourceError
from schemas.hashing import json_hash

BLOCK = 1 << 20
"""Bytes that are compared at once in a file that is read here and there."""
Prefix = tuple[int, str]
"""So many first bytes of a file, and their hash."""


@dataclass(frozen=True)
class HashedFiles(Files):
    """Files whose bytes are hashed as they are read.

    `hashes` holds the SHA-256 of those that were read to their end, `prefixes` what was read of the others.
    """

    hashes: dict[str, str] = field(default_factory=dict)
    prefixes: dict[str, list[Prefix]] = field(default_factory=dict)
    blocks: dict[str, list[bytes]] = field(default_factory=dict)

    def stream(self, name: str) -> pa.NativeFile:
        """Open the file as a stream; raises SourceError at its end if it is another than it was before."""
        noted = _Hashing(super().stream(name), lambda size, sha256, end: self._note(name, size, sha256, end))
        return pa.PythonFile(noted, mode="r")

    def _note(self, name: str, size: int, sha256: str, end: bool) -> None:
        if not end:
            self.prefixes.setdefault(name, []).append((size, sha256))
        elif self.hashes.setdefault(name, sha256) != sha256:
            raise changed(self, f"{name} is another one now")

    def open_random(self, name: str) -> pa.NativeFile:
        """Open the file for reading at any place; raises SourceError for a block that is another than it was."""
        if name not in self.blocks:
            with readable(self.shown(name)), super().stream(name) as stream:
                whole, self.blocks[name] = hashlib.sha256(), []
                while block := stream.read(BLOCK):
                    whole.update(block)
                    self.blocks[name].append(xxhash.xxh3_128_digest(block))
            self._note(name, 0, whole.hexdigest(), True)
        source, refused = super().open_random(name), changed(self, f"{name} is another one now")
        return pa.PythonFile(_Compared(source, self.blocks[name], refused), mode="r")

    def contents(self) -> list[str]:
        """Return the SHA-256 of every file, in their order; those that nobody has read yet are read now."""
        for name in self.names:
            if name not in self.hashes:
                self._read(name)
        return [self.hashes[name] for name in self.names]

    def _read(self, name: str) -> None:
        """Hash a file; what was read of it before must be how it begins."""
        before = sorted(set(self.prefixes.get(name, [])))
        sha256, begins = file_hash(self, name, [size for size, _ in before])
        if begins != [one for _, one in before]:
            raise changed(self, f"{name} is another one now")
        self._note(name, 0, sha256, True)


def content_hash(contents: Sequence[str]) -> str:
    """Return one hash of the contents of all files."""
    return json_hash(contents)


def hashed(files: Files) -> HashedFiles:
    """Return the same files, of which nothing was read yet."""
    return HashedFiles(**{one.name: getattr(files, one.name) for one in fields(Files)})


def changed(files: Files, what: str) -> SourceError:
    """Return the refusal of a source that does not stay as it is."""
    return SourceError(f"{files.path}: the source changed while it was read: {what}; run the same command again")


class _Hashing:
    """A stream that is hashed as it is read; `note` is told of the bytes that were read, and whether these are all."""

    closed = False

    def __init__(self, stream: pa.NativeFile, note: Callable[[int, str, bool], None]) -> None:
        self._stream, self._note = stream, note
        self._hash, self._size, self._told = hashlib.sha256(), 0, False

    def read(self, size: int) -> bytes:
        chunk = bytes(self._stream.read(size))
        self._hash.update(chunk)
        self._size += len(chunk)
        if not chunk and size:
            self._tell(end=True)
        return chunk

    def _tell(self, *, end: bool) -> None:
        if not self._told:
            self._told = True
            self._note(self._size, self._hash.hexdigest(), end)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """Tell what was read; of what was hardly left, such as what follows a compressed stream, the end too."""
        if self.closed:
            return
        self.closed = True
        if not self._told:
            with suppress(OSError, pa.ArrowException):  # whoever reads on will say so
                self.read(CHUNK)
                self.read(1)
            self._tell(end=False)
        self._stream.close()


class _Compared:
    """A file whose blocks are compared with their hashes when they are read."""

    closed = False

    def __init__(self, source: pa.NativeFile, blocks: list[bytes], refused: SourceError) -> None:
        self._source, self._blocks, self._refused = source, blocks, refused
        self._size, self._at = source.size(), 0
        if -(-self._size // BLOCK) != len(blocks):
            raise refused

    def read(self, size: int = -1) -> Any:
        stop = self._size if size < 0 else min(self._size, self._at + size)
        first, last = self._at // BLOCK, -(-stop // BLOCK)
        data = memoryview(self._source.read_at(min(last * BLOCK, self._size) - first * BLOCK, first * BLOCK))
        for number in range(first, last):
            start = (number - first) * BLOCK
            if xxhash.xxh3_128_digest(data[start : start + BLOCK]) != self._blocks[number]:
                raise self._refused
        wanted = data[self._at - first * BLOCK : stop - first * BLOCK]
        self._at = max(self._at, stop)
        return bytes(wanted)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def size(self) -> int:
        return int(self._size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True
        self._source.close()
