"""The few file operations that `folder.py` is made of: for a disk, and for all other filesystems that pyarrow opens.

Each operation does one thing, wholly or not at all. Any of them may fail, or be the last one before the process dies;
tests replace them by operations whose n-th call fails.
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
from pipelines.storage.over_http import raise_os_errors
from pipelines.storage.sealed_file import map_file
from schemas.uri import is_uri, refuse_unclear

ATTEMPTS = 10
CONNECT, REQUEST = 10.0, 60.0
"""Seconds until an object store must have taken a connection, and until it must have answered."""
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
}
"""The content types of files on an object store; without them a browser would save a page, not show it."""


def resolve(path: str) -> tuple[fs.FileSystem, str]:
    """Return the filesystem of a path or URI, and the path within it."""
    if is_uri(path):
        return resolve_uri(path)
    return fs.LocalFileSystem(), os.path.abspath(path)  # not cached: it depends on the working directory


@lru_cache(maxsize=64)
def resolve_uri(path: str) -> tuple[fs.FileSystem, str]:
    """Return the filesystem that a URI names, and the path within it; cached for all threads.

    Raises pa.ArrowInvalid for one that is no URI, is unclear, or names a whole filesystem.
    """
    try:
        filesystem, inner = fs.FileSystem.from_uri(refuse_unclear(path))
    except ValueError as error:
        raise pa.ArrowInvalid(str(error)) from None
    if os.path.normpath(inner) in ("/", "//", "."):
        raise pa.ArrowInvalid(f"names a whole filesystem, got {path!r}; give a folder in it")
    return _with_retries(filesystem), inner.rstrip("/")


def _with_retries(filesystem: fs.FileSystem) -> fs.FileSystem:
    """Return the filesystem; for S3 one that retries for about a minute if the store is busy or unreachable.

    The environment variable AWS_MAX_ATTEMPTS, which AWS's own tools use too, sets the number of tries.
    """
    if filesystem.type_name != "s3":
        return raise_os_errors(filesystem)
    _, (options,) = filesystem.__reduce__()  # the only way to get the options of the URI
    attempts = int(os.environ.get("AWS_MAX_ATTEMPTS") or ATTEMPTS)
    retries = fs.AwsStandardS3RetryStrategy(max_attempts=attempts)
    patience = {"retry_strategy": retries, "connect_timeout": CONNECT, "request_timeout": REQUEST}
    return fs.S3FileSystem(**{**options, **patience})


class Files(Protocol):
    """Operations on files by their paths within one filesystem; all raise OSError."""

    @property
    def renames(self) -> bool:
        """Whether a file can be renamed in one step. If not, a new file is visible only once it is whole."""

    def info(self, path: str) -> fs.FileInfo:
        """Return the type, size and time of a file or folder."""

    def entries(self, path: str, recursive: bool) -> list[fs.FileInfo]:
        """Return the files and folders in a folder; an empty list if it does not exist."""

    def all_names(self, path: str) -> list[str]:
        """Return the names of all but folders below a folder, relative to it; links and pipes too."""

    def read(self, path: str) -> bytes:
        """Return a whole file."""

    def view(self, path: str) -> pa.Buffer:
        """Return a whole file; on a disk it is mapped, and read when it is used."""

    def create(self, path: str) -> AbstractContextManager[Any]:
        """Open a new file for writing; when the block ends, it is whole, and on the disk rather than in a cache."""

    def rename(self, source: str, target: str) -> None:
        """Rename a file or folder, and replace a file of the new name; durable when it returns."""

    def remove_file(self, path: str) -> None:
        """Remove a file if it exists."""

    def remove_folder(self, path: str) -> None:
        """Remove a folder with all its files, if it exists."""

    def prune_folder(self, path: str) -> None:
        """Remove a folder if it exists and is empty."""

    def upload(self, local: str, path: str) -> None:
        """Copy a local folder's files."""

    def download(self, path: str, local: str) -> None:
        """Copy the files of a folder into a local one."""


@dataclass(frozen=True)
class _Lookup:
    """The operations that are the same on every filesystem."""

    filesystem: fs.FileSystem

    def info(self, path: str) -> fs.FileInfo:
        """See Files."""
        return self.filesystem.get_file_info(path)

    def entries(self, path: str, recursive: bool) -> list[fs.FileInfo]:
        """See Files."""
        return list(self.filesystem.get_file_info(fs.FileSelector(path, recursive=recursive, allow_not_found=True)))


@dataclass(frozen=True)
class Disk(_Lookup):
    """A local disk, or one that is mounted as such."""

    renames: bool = True

    def all_names(self, path: str) -> list[str]:
        """See Files. Links are not followed. pyarrow is not used, since it leaves out links that lead nowhere."""
        found = []
        for folder, folders, files in os.walk(path, onerror=_raise_unless_gone):
            links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            found += [os.path.relpath(os.path.join(folder, name), path) for name in files + links]
        return found

    def read(self, path: str) -> bytes:
        """See Files."""
        _refuse_pipe(path)
        with _refuse_folder(path), self.filesystem.open_input_stream(path) as stream:
            return bytes(stream.read())

    def view(self, path: str) -> pa.Buffer:
        """See Files."""
        _refuse_pipe(path)
        with _refuse_folder(path):
            return map_file(path)

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
class Store(_Lookup):
    """An object store, where a folder is only a prefix of names."""

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
        """See Files. All is sent at the end, since an upload that an exception breaks off would be visible in part."""
        whole = pa.BufferOutputStream()
        yield whole
        kind = CONTENT_TYPES.get(os.path.splitext(path)[1])
        metadata = {"Content-Type": kind} if kind else None
        with self.filesystem.open_output_stream(path, metadata=metadata) as sink:
            sink.write(whole.getvalue())

    def rename(self, source: str, target: str) -> None:
        """Raise NotImplementedError: an object store cannot rename."""
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
        """See Files; pyarrow leaves an empty object for a folder that lost its last file."""
        if self.info(path).type == fs.FileType.Directory and not self.entries(path, recursive=True):
            self.filesystem.delete_dir(path)

    def upload(self, local: str, path: str) -> None:
        """See Files."""
        fs.copy_files(local, path, destination_filesystem=self.filesystem)

    def download(self, path: str, local: str) -> None:
        """See Files."""
        fs.copy_files(path, local, source_filesystem=self.filesystem)


def file_operations(filesystem: fs.FileSystem) -> Files:
    """Return the operations of a filesystem."""
    return Disk(filesystem) if isinstance(filesystem, fs.LocalFileSystem) else Store(filesystem)


def _raise_unless_gone(error: OSError) -> None:
    """Raise what keeps a folder from being read: what is in it would be taken for nothing."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _refuse_pipe(path: str) -> None:
    """Raise OSError for a pipe, socket or device: reading one might never end."""
    with suppress(FileNotFoundError, NotADirectoryError):
        mode = os.stat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise OSError(errno.ENODEV, "no file, but a pipe, socket or device", path)


@contextmanager
def _refuse_folder(path: str) -> Iterator[None]:
    """Raise IsADirectoryError where a folder is read as a file; pyarrow's own error has no number."""
    try:
        yield
    except OSError as error:
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path) from error
        raise
