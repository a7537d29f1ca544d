"""Hashes files while they are read, so that a fingerprint covers exactly the bytes that were read.

A stream is hashed while it is read. A file of random access, such as Parquet, is hashed as a whole first, and each
block is compared when it is read. Bytes that are read twice must be the same both times.
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
"""Bytes of a block that is compared at once, in a file of random access."""
Prefix = tuple[int, str]
"""A number of first bytes of a file, and their SHA-256."""


@dataclass(frozen=True)
class HashedFiles(Files):
    """Files whose bytes are hashed as they are read.

    `hashes` holds the SHA-256 of files that were read to their end, `prefixes` the parts read of the others, `blocks`
    the hashes of the blocks of files of random access.
    """

    hashes: dict[str, str] = field(default_factory=dict)
    prefixes: dict[str, list[Prefix]] = field(default_factory=dict)
    blocks: dict[str, list[bytes]] = field(default_factory=dict)

    def stream(self, name: str) -> pa.NativeFile:
        """Open the file as a stream, which raises SourceError at its end if the file has changed."""
        noted = _Hashing(super().stream(name), lambda size, sha256, end: self._note(name, size, sha256, end))
        return pa.PythonFile(noted, mode="r")

    def _note(self, name: str, size: int, sha256: str, end: bool) -> None:
        if not end:
            self.prefixes.setdefault(name, []).append((size, sha256))
        elif self.hashes.setdefault(name, sha256) != sha256:
            raise changed(self, f"{name} is another one now")

    def open_random(self, name: str) -> pa.NativeFile:
        """Open the file for random access; reading a block that has changed raises SourceError."""
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
        """Return the SHA-256 of every file, in order; files that were not read to their end are read now."""
        for name in self.names:
            if name not in self.hashes:
                self._read(name)
        return [self.hashes[name] for name in self.names]

    def _read(self, name: str) -> None:
        """Hash a file; raise SourceError if it no longer begins with the bytes that were read before."""
        before = sorted(set(self.prefixes.get(name, [])))
        sha256, begins = file_hash(self, name, [size for size, _ in before])
        if begins != [one for _, one in before]:
            raise changed(self, f"{name} is another one now")
        self._note(name, 0, sha256, True)


def content_hash(contents: Sequence[str]) -> str:
    """Return one hash of the contents of all files."""
    return json_hash(contents)


def hashed(files: Files) -> HashedFiles:
    """Return the files as HashedFiles, of which nothing was read yet."""
    return HashedFiles(**{one.name: getattr(files, one.name) for one in fields(Files)})


def changed(files: Files, what: str) -> SourceError:
    """Return the error for a source that changed while it was read."""
    return SourceError(f"{files.path}: the source changed while it was read: {what}; run the same command again")


class _Hashing:
    """A stream that hashes its bytes; it calls `note` with their number, their SHA-256 and whether they are all."""

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
        """Close the stream and call `note`; a short rest, as behind a compressed stream, is read first."""
        if self.closed:
            return
        self.closed = True
        if not self._told:
            with suppress(OSError, pa.ArrowException):  # the error is raised when the file is read again
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
