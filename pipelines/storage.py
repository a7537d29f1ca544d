"""Files on any filesystem that pyarrow opens. Knows nothing of what is in them.

On a local disk a write goes to a temporary name and is then renamed, so that a name never shows half a file; on an
object store an upload shows itself only when it is whole.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pyarrow as pa
from pyarrow import fs

from schemas.errors import OutputError


def is_uri(path: str) -> bool:
    """Whether `path` names a filesystem, as in `s3://bucket/key`."""
    return "://" in path


def redacted(text: str) -> str:
    """Return a path, or a message that quotes one, with the credentials in its URIs replaced by `***`.

    `s3://key:secret@bucket` becomes `s3://***@bucket`; query parameters that are named after a secret lose their value.
    """
    text = re.sub(r"://[^\s/@:]*:(?=\S)[^@\n]*?@", "://***@", text)
    return re.sub(r"(?i)([?&][^=&\s]*(?:key|secret|token|password|sig)[^=&\s]*=)[^&\s'\"]+", r"\1***", text)


@lru_cache(maxsize=64)
def resolve(path: str) -> tuple[fs.FileSystem, str]:
    """Return the filesystem of a path or URI, and the path within it."""
    if is_uri(path):
        filesystem, inner = fs.FileSystem.from_uri(path)
        return filesystem, inner.rstrip("/")
    return fs.LocalFileSystem(), os.path.abspath(path)


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
    def filesystem(self) -> fs.FileSystem:
        """The filesystem that holds this folder."""
        return resolve(self.path)[0]

    def inner(self, name: str = "") -> str:
        """Return the path of `name` within the filesystem."""
        root = resolve(self.path)[1]
        return f"{root}/{name}" if name else root

    def exists(self, name: str = "") -> bool:
        """Whether the file or folder is there."""
        return bool(self.filesystem.get_file_info(self.inner(name)).type != fs.FileType.NotFound)

    def files(self, recursive: bool = True) -> list[fs.FileInfo]:
        """Return the files below this folder, sorted by path; none if it does not exist."""
        found = self.filesystem.get_file_info(fs.FileSelector(self.inner(), recursive=recursive, allow_not_found=True))
        return sorted((info for info in found if info.is_file), key=lambda info: info.path)

    def names(self) -> list[str]:
        """Return the files below this folder by their names relative to it, sorted."""
        return [info.path.removeprefix(self.inner()).lstrip("/") for info in self.files()]

    def read(self, name: str) -> bytes:
        """Return the whole file."""
        with self.filesystem.open_input_stream(self.inner(name)) as stream:
            return bytes(stream.read())

    def read_arrow(self, name: str) -> pa.Table:
        """Return the table of an Arrow IPC file; on a local disk it is mapped, not read, until it is used."""
        if isinstance(self.filesystem, fs.LocalFileSystem):
            with pa.memory_map(self.inner(name)) as source:
                return pa.ipc.open_file(source).read_all()
        with self.filesystem.open_input_file(self.inner(name)) as source:
            return pa.ipc.open_file(source).read_all()

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
            fs.copy_files(self.inner(), temporary, source_filesystem=self.filesystem)
            yield Path(temporary)

    @contextmanager
    def filling(self) -> Iterator[Path]:
        """Give an empty local folder, whose files are put here when the block ends well; whatever was here is gone."""
        local = isinstance(self.filesystem, fs.LocalFileSystem)
        parent = os.path.dirname(self.inner()) if local else None
        if parent:
            os.makedirs(parent, exist_ok=True)
        with explained(self.shown), TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as temporary:
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
        local = isinstance(self.filesystem, fs.LocalFileSystem)
        final = self.inner(name)
        target = f"{final}.{uuid4().hex[:8]}.tmp" if local else final
        try:
            if local:
                os.makedirs(os.path.dirname(final), exist_ok=True)
            with explained(self.shown), self.filesystem.open_output_stream(target) as sink:
                yield sink
            if local:
                if durable:
                    _sync(target)
                os.replace(target, final)
        except BaseException:
            if local:
                Path(target).unlink(missing_ok=True)
            raise

    def remove(self, name: str = "") -> None:
        """Remove the file or folder, if it is there."""
        info = self.filesystem.get_file_info(self.inner(name))
        if info.type == fs.FileType.Directory:
            self.filesystem.delete_dir(info.path)
        elif info.is_file:
            self.filesystem.delete_file(info.path)
        elif not isinstance(self.filesystem, fs.LocalFileSystem) and not name:
            self.filesystem.delete_dir_contents(self.inner(), missing_dir_ok=True)


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def explained(place: str) -> Iterator[None]:
    """Turn a full disk or a refused write into one plain message."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
            advice = "the disk is full; make room and run the same command again, finished work is kept"
        elif error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            advice = f"may not be written ({error.strerror or error}); give the rights or choose another output.path"
        else:
            raise
        raise OutputError(f"{place}: {advice}") from error
