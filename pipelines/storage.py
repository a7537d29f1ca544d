"""Files on any filesystem that pyarrow opens. Knows nothing of what is in them.

On a local disk a write goes to a temporary name and is then renamed, so that a name never shows half a file; on an
object store an upload shows itself only when it is whole.
"""

import errno
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar
from uuid import uuid4

import pyarrow as pa
from pyarrow import fs

from schemas.errors import OutputError
from schemas.secrets import redacted

TEMPORARY = ".tmp"
"""How the names of files and folders end that are not whole yet."""


R = TypeVar("R")
ATTEMPTS = 10
CONNECT, REQUEST = 10.0, 60.0
"""Seconds until an object store must have taken a connection, and until it must have answered."""
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
}
"""What an object store tells a browser of a file: without, it would save a page rather than show it."""
PAUSES = (1.0, 3.0, 9.0)
"""Seconds after which a file is read once more."""
_REFUSED = (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)
_BROKEN_OFF = "INTERNAL_FAILURE"
_AWAY = re.compile(
    r"NETWORK_CONNECTION|curlCode|SLOW_?DOWN|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|REQUEST_TIMEOUT|HTTP status 50[0234]"
)


def is_uri(path: str) -> bool:
    """Whether `path` names a filesystem, as in `s3://bucket/key`."""
    return "://" in path


@lru_cache(maxsize=64)
def resolve(path: str) -> tuple[fs.FileSystem, str]:
    """Return the filesystem of a path or URI, and the path within it."""
    if is_uri(path):
        filesystem, inner = fs.FileSystem.from_uri(path)
        return _patient(filesystem), inner.rstrip("/")
    return fs.LocalFileSystem(), os.path.abspath(path)


def _patient(filesystem: fs.FileSystem) -> fs.FileSystem:
    """Return the filesystem; of S3 one that asks again for about a minute where the store is busy or away.

    AWS_MAX_ATTEMPTS, which AWS's own tools know too, says how often it asks.
    """
    if filesystem.type_name != "s3":
        return filesystem
    _, (options,) = filesystem.__reduce__()  # its only way to tell what a URI said
    attempts = int(os.environ.get("AWS_MAX_ATTEMPTS") or ATTEMPTS)
    retries = fs.AwsStandardS3RetryStrategy(max_attempts=attempts)
    patience = {"retry_strategy": retries, "connect_timeout": CONNECT, "request_timeout": REQUEST}
    return fs.S3FileSystem(**{**options, **patience})


@dataclass(frozen=True)
class Folder:
    """A folder on some filesystem; names are relative to it, with forward slashes."""

    path: str

    def at(self, name: str) -> "Folder":
        """Return the folder `name` below this one."""
        place, question, options = self.path.partition("?") if is_uri(self.path) else (self.path, "", "")
        return Folder(f"{place.rstrip('/')}/{name}{question}{options}")

    @property
    def shown(self) -> str:
        """The folder's path as messages name it, without credentials."""
        return redacted(self.path)

    @property
    def _resolved(self) -> tuple[fs.FileSystem, str]:
        try:
            return resolve(self.path)
        except pa.ArrowInvalid as error:
            raise OutputError(f"{self.path} cannot be opened: {error}; check the URI") from None

    @property
    def filesystem(self) -> fs.FileSystem:
        """The filesystem that holds this folder."""
        return self._resolved[0]

    def inner(self, name: str = "") -> str:
        """Return the path of `name` within the filesystem."""
        root = self._resolved[1]
        return f"{root}/{name}" if name else root

    def exists(self, name: str = "") -> bool:
        """Whether the file or folder is there."""
        with explained(self.shown):
            return bool(self.filesystem.get_file_info(self.inner(name)).type != fs.FileType.NotFound)

    def files(self, recursive: bool = True) -> list[fs.FileInfo]:
        """Return the files below this folder, sorted by path; none if it does not exist."""
        selector = fs.FileSelector(self.inner(), recursive=recursive, allow_not_found=True)
        with explained(self.shown):
            found = self.filesystem.get_file_info(selector)
        return sorted((info for info in found if info.is_file), key=lambda info: info.path)

    def names(self) -> list[str]:
        """Return the files below this folder by their names relative to it, sorted."""
        return [info.path.removeprefix(self.inner()).lstrip("/") for info in self.files()]

    def read(self, name: str) -> bytes:
        """Return the whole file."""
        with explained(self.shown):
            return _asked_again(lambda: self._read(name))

    def _read(self, name: str) -> bytes:
        with self.filesystem.open_input_stream(self.inner(name)) as stream:
            return bytes(stream.read())

    def read_arrow(self, name: str) -> pa.Table:
        """Return the table of an Arrow IPC file; on a local disk it is mapped, not read, until it is used."""
        if isinstance(self.filesystem, fs.LocalFileSystem):
            with pa.memory_map(self.inner(name)) as source:
                return pa.ipc.open_file(source).read_all()
        return pa.ipc.open_file(pa.py_buffer(self.read(name))).read_all()

    def write_arrow(self, name: str, table: pa.Table) -> None:
        """Write an Arrow IPC file, not compressed, so that rows can be picked from it without reading it whole.

        It does not wait for the disk: a file that lost its end is noticed when it is read.
        """
        with self.writing(name, durable=False) as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks())

    @contextmanager
    def local_copy(self) -> Iterator[Path]:
        """Give a local folder with the same files: this one, or a copy for as long as the block lasts."""
        if isinstance(self.filesystem, fs.LocalFileSystem):
            yield Path(self.inner())
            return
        with TemporaryDirectory() as temporary:
            with explained(self.shown):
                _asked_again(lambda: fs.copy_files(self.inner(), temporary, source_filesystem=self.filesystem))
            yield Path(temporary)

    @contextmanager
    def filling(self) -> Iterator[Path]:
        """Give an empty local folder, whose files are put here when the block ends well; whatever was here is gone."""
        local = isinstance(self.filesystem, fs.LocalFileSystem)
        parent = os.path.dirname(self.inner()) if local else None
        if parent:
            with explained(self.shown):
                _make(parent)
        with explained(self.shown), _temporary(parent) as temporary:
            yield Path(temporary)
            self.remove()
            if local:
                os.replace(temporary, self.inner())
            else:
                fs.copy_files(temporary, self.inner(), destination_filesystem=self.filesystem)

    def write(self, name: str, data: bytes) -> None:
        """Write the whole file; it is there whole or not at all."""
        with self.writing(name) as sink:
            sink.write(data)

    @contextmanager
    def writing(self, name: str, *, durable: bool = True) -> Iterator[pa.NativeFile]:
        """Open `name` for writing; it appears when the block ends well, and not at all when it raises.

        `durable` waits until the disk has it; without, a machine that loses power may leave it empty.
        """
        with explained(self.shown):
            if isinstance(self.filesystem, fs.LocalFileSystem):
                with self._replacing(self.inner(name), durable) as sink:
                    yield sink
                return
            whole = pa.BufferOutputStream()  # an upload that is left by an exception would be closed, and show its part
            yield whole
            kind = CONTENT_TYPES.get(os.path.splitext(name)[1])
            told = {"Content-Type": kind} if kind else None
            with self.filesystem.open_output_stream(self.inner(name), metadata=told) as sink:
                sink.write(whole.getvalue())

    @contextmanager
    def _replacing(self, final: str, durable: bool) -> Iterator[pa.NativeFile]:
        target = f"{final}.{uuid4().hex[:8]}{TEMPORARY}"
        try:
            _make(os.path.dirname(final))
            with self.filesystem.open_output_stream(target) as sink:
                yield sink
            if durable:
                _sync(target)
            os.replace(target, final)
        except BaseException:
            Path(target).unlink(missing_ok=True)
            raise

    def sweep(self) -> None:
        """Remove what writes that were killed left in this folder, but not below; for its only writer."""
        with explained(self.shown):
            found = self.filesystem.get_file_info(fs.FileSelector(self.inner(), allow_not_found=True))
        for info in found:
            if info.base_name.endswith(TEMPORARY):
                self.remove(info.base_name)

    def remove(self, name: str = "") -> None:
        """Remove the file or folder, if it is there."""
        with explained(self.shown):
            info = self.filesystem.get_file_info(self.inner(name))
            if info.type == fs.FileType.Directory:
                self.filesystem.delete_dir(info.path)
            elif info.is_file:
                self.filesystem.delete_file(info.path)
            elif not isinstance(self.filesystem, fs.LocalFileSystem) and not name:
                self.filesystem.delete_dir_contents(self.inner(), missing_dir_ok=True)


def _temporary(parent: str | None) -> "TemporaryDirectory[str]":
    return TemporaryDirectory(suffix=TEMPORARY, dir=parent, ignore_cleanup_errors=True)


def _asked_again(ask: Callable[[], R]) -> R:
    """Return what `ask` returns; asks again where a store broke off in mid-answer, which its client does not do."""
    for pause in PAUSES:
        try:
            return ask()
        except OSError as error:
            if _BROKEN_OFF not in str(error):
                raise
        time.sleep(pause)
    return ask()


def away(reason: str) -> bool:
    """Whether pyarrow tells that a store did not answer, or was too busy."""
    return bool(_AWAY.search(reason))


def _make(folder: str) -> None:
    """Make the folder; where a system has places that take none, as /proc, it says that something is not there."""
    try:
        os.makedirs(folder, exist_ok=True)
    except FileNotFoundError as error:
        raise PermissionError(errno.EPERM, "no folder can be made there", folder) from error


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def explained(place: str) -> Iterator[None]:
    """Turn a full disk, a refused write, or a store that does not answer into one plain message."""
    try:
        yield
    except OSError as error:
        reason = " ".join(redacted(str(error)).split())[:300]
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
            advice = "the disk is full; make room and run the same command again, finished work is kept"
        elif is_uri(place) and not isinstance(error, FileNotFoundError) and away(reason):
            advice = f"cannot be reached: {reason}; run the same command again, finished work is kept"
        elif error.errno in _REFUSED or (is_uri(place) and "ACCESS_DENIED" in reason):
            by_arrow = error.errno and "Detail: [errno" in str(error)  # which names the path once more
            why = os.strerror(error.errno or 0) if by_arrow else error.strerror or error
            advice = f"may not be written ({why}); give the rights or choose another output.path"
        else:
            raise
        raise OutputError(f"{place}: {advice}") from error
