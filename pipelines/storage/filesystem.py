"""The few operations on files that all of `storage.py` is made of: on a disk, and on what else pyarrow opens.

Each does one thing that happens whole or not at all, and each may fail or be the last that a process does. What is put
in its place by a test, which makes the n-th of them fail, stands for a disk or a store that does so.
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from pyarrow import fs

from pipelines.storage.disk import make_folder, sync_below, sync_file, sync_folder
from pipelines.storage.over_http import told_as_os_errors
from pipelines.storage.sealed import mapped
from schemas.uri import is_uri, refuse_unclear

ATTEMPTS = 10
CONNECT, REQUEST = 10.0, 60.0
"""Seconds until an object store must have taken a connection, and until it must have answered."""
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
}
"""What an object store tells a browser of a file: without, it would save a page rather than show it."""


def resolve(path: str) -> tuple[fs.FileSystem, str]:
    """Return the filesystem of a path or URI, and the path within it."""
    if is_uri(path):
        return resolve_uri(path)
    return fs.LocalFileSystem(), os.path.abspath(path)  # not kept: where it lies hangs on the working directory


@lru_cache(maxsize=64)
def resolve_uri(path: str) -> tuple[fs.FileSystem, str]:
    """Return the filesystem that a URI names, and the path within it; one serves all threads.

    Raises pa.ArrowInvalid for one that is no URI, is unclear, or names a whole filesystem.
    """
    try:
        filesystem, inner = fs.FileSystem.from_uri(refuse_unclear(path))
    except ValueError as error:
        raise pa.ArrowInvalid(str(error)) from None
    if os.path.normpath(inner) in ("/", "//", "."):
        raise pa.ArrowInvalid(f"names a whole filesystem, got {path!r}; give a folder in it")
    return _patient(filesystem), inner.rstrip("/")


def _patient(filesystem: fs.FileSystem) -> fs.FileSystem:
    """Return the filesystem; of S3 one that asks again for about a minute where the store is busy or away.

    AWS_MAX_ATTEMPTS, which AWS's own tools know too, says how often it asks.
    """
    if filesystem.type_name != "s3":
        return told_as_os_errors(filesystem)
    _, (options,) = filesystem.__reduce__()  # its only way to tell what a URI said
    attempts = int(os.environ.get("AWS_MAX_ATTEMPTS") or ATTEMPTS)
    retries = fs.AwsStandardS3RetryStrategy(max_attempts=attempts)
    patience = {"retry_strategy": retries, "connect_timeout": CONNECT, "request_timeout": REQUEST}
    return fs.S3FileSystem(**{**options, **patience})


class Files(Protocol):
    """Operations on files by their paths within one filesystem; all raise OSError."""

    @property
    def renames(self) -> bool:
        """Whether a file can be renamed in one step. Where it can not, a file shows itself only once it is whole."""

    def info(self, path: str) -> fs.FileInfo:
        """Return what is there."""

    def entries(self, path: str, recursive: bool) -> list[fs.FileInfo]:
        """Return what is in a folder; nothing if it is not there."""

    def all_names(self, path: str) -> list[str]:
        """Return all below a folder that is no folder, by its name relative to it; links and pipes too."""

    def read(self, path: str) -> bytes:
        """Return a whole file."""

    def view(self, path: str) -> pa.Buffer:
        """Return a whole file; on a disk it is not read until it is used."""

    def create(self, path: str) -> AbstractContextManager[Any]:
        """Open a new file for writing; it is whole, and on the disk and not in a cache, when the block ends well."""

    def rename(self, source: str, target: str) -> None:
        """Rename a file or folder, in the place of a file that has that name; for good when it returns."""

    def remove_file(self, path: str) -> None:
        """Remove a file, if it is there."""

    def remove_folder(self, path: str) -> None:
        """Remove a folder with all that is in it, if it is there."""

    def prune_folder(self, path: str) -> None:
        """Remove a folder if it is there and empty."""

    def upload(self, local: str, path: str) -> None:
        """Copy a local folder's files."""

    def download(self, path: str, local: str) -> None:
        """Copy the files of a folder into a local one."""


@dataclass(frozen=True)
class _Looked:
    """What is looked up alike on every filesystem."""

    filesystem: fs.FileSystem

    def info(self, path: str) -> fs.FileInfo:
        """See Files."""
        return self.filesystem.get_file_info(path)

    def entries(self, path: str, recursive: bool) -> list[fs.FileInfo]:
        """See Files."""
        return list(self.filesystem.get_file_info(fs.FileSelector(path, recursive=recursive, allow_not_found=True)))


@dataclass(frozen=True)
class Disk(_Looked):
    """A local disk, or one that is mounted as such."""

    renames: bool = True

    def all_names(self, path: str) -> list[str]:
        """See Files. A link is not followed, wherever it leads; pyarrow would not tell of one that leads nowhere."""
        found = []
        for place, folders, files in os.walk(path, onerror=_raise_unless_gone):
            links = [name for name in folders if os.path.islink(os.path.join(place, name))]
            found += [os.path.relpath(os.path.join(place, name), path) for name in files + links]
        return found

    def read(self, path: str) -> bytes:
        """See Files."""
        _refuse_pipe(path)
        with _no_folder(path), self.filesystem.open_input_stream(path) as stream:
            return bytes(stream.read())

    def view(self, path: str) -> pa.Buffer:
        """See Files."""
        _refuse_pipe(path)
        with _no_folder(path):
            return mapped(path)

    @contextmanager
    def create(self, path: str) -> Iterator[Any]:
        """See Files; folders above it are made."""
        make_folder(os.path.dirname(path))
        with self.filesystem.open_output_stream(path) as sink:
            yield sink
        sync_file(path)

    def rename(self, source: str, target: str) -> None:
        """See Files; folders above the target are made."""
        make_folder(os.path.dirname(target))
        if os.path.isdir(source):
            sync_below(source)
        os.replace(source, target)
        sync_folder(os.path.dirname(target))

    def remove_file(self, path: str) -> None:
        """See Files."""
        Path(path).unlink(missing_ok=True)

    def remove_folder(self, path: str) -> None:
        """See Files."""
        with suppress(FileNotFoundError):
            shutil.rmtree(path)

    def prune_folder(self, path: str) -> None:
        """See Files."""
        with suppress(FileNotFoundError), os.scandir(path) as found:
            if not any(found):
                os.rmdir(path)

    def upload(self, local: str, path: str) -> None:
        """See Files."""
        shutil.copytree(local, path, dirs_exist_ok=True)

    def download(self, path: str, local: str) -> None:
        """See Files."""
        shutil.copytree(path, local, dirs_exist_ok=True)


@dataclass(frozen=True)
class Store(_Looked):
    """An object store, where a folder is no more than the beginning of names."""

    renames: bool = False

    def all_names(self, path: str) -> list[str]:
        """See Files."""
        return [info.path.removeprefix(path).lstrip("/") for info in self.entries(path, True) if info.is_file]

    def read(self, path: str) -> bytes:
        """See Files."""
        with self.filesystem.open_input_stream(path) as stream:
            return bytes(stream.read())

    def view(self, path: str) -> pa.Buffer:
        """See Files."""
        return pa.py_buffer(self.read(path))

    @contextmanager
    def create(self, path: str) -> Iterator[Any]:
        """See Files. Nothing is sent before all is written: an upload that is left by an exception shows its part."""
        whole = pa.BufferOutputStream()
        yield whole
        kind = CONTENT_TYPES.get(os.path.splitext(path)[1])
        told = {"Content-Type": kind} if kind else None
        with self.filesystem.open_output_stream(path, metadata=told) as sink:
            sink.write(whole.getvalue())

    def rename(self, source: str, target: str) -> None:
        """Raise: no object is renamed in one step."""
        raise NotImplementedError(f"{source} → {target}: an object store does not rename")

    def remove_file(self, path: str) -> None:
        """See Files."""
        if self.info(path).is_file:
            self.filesystem.delete_file(path)

    def remove_folder(self, path: str) -> None:
        """See Files."""
        if self.info(path).type == fs.FileType.Directory:
            self.filesystem.delete_dir(path)
        else:
            self.filesystem.delete_dir_contents(path, missing_dir_ok=True)

    def prune_folder(self, path: str) -> None:
        """See Files; pyarrow marks a folder that lost its last object by an empty one."""
        if self.info(path).type == fs.FileType.Directory and not self.entries(path, recursive=True):
            self.filesystem.delete_dir(path)

    def upload(self, local: str, path: str) -> None:
        """See Files."""
        fs.copy_files(local, path, destination_filesystem=self.filesystem)

    def download(self, path: str, local: str) -> None:
        """See Files."""
        fs.copy_files(path, local, source_filesystem=self.filesystem)


def files_of(filesystem: fs.FileSystem) -> Files:
    """Return the operations of a filesystem."""
    return Disk(filesystem) if isinstance(filesystem, fs.LocalFileSystem) else Store(filesystem)


def _raise_unless_gone(error: OSError) -> None:
    """Raise what keeps a folder from being read: what is in it would be taken for nothing."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _refuse_pipe(path: str) -> None:
    """Raise OSError for a pipe, socket or device, whose reading might never end."""
    with suppress(FileNotFoundError, NotADirectoryError):
        mode = os.stat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise OSError(errno.ENODEV, "no file, but a pipe, socket or device", path)


@contextmanager
def _no_folder(path: str) -> Iterator[None]:
    """Say what is wrong where a folder lies in the place of a file, which pyarrow tells without an error's number."""
    try:
        yield
    except OSError as error:
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path) from error
        raise
