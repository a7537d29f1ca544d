"""Reads and writes files on any filesystem that pyarrow opens. Does not know what is in them.

On a local disk a file is written under a temporary name and then renamed, so that nobody sees half a file. On an object
store an upload is visible only when it is whole. The operations on each filesystem are in `filesystem.py`.
"""

import errno
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar
from urllib.parse import quote
from uuid import uuid4

import pyarrow as pa
from pyarrow import fs

from pipelines.storage.disk import make_folder
from pipelines.storage.filesystem import Files, file_operations, resolve
from pipelines.storage.sealed_file import Sealing, is_file_sealed, is_sealed, without_seal
from schemas.errors import DamageError, OutputError
from schemas.secrets import redacted
from schemas.uri import is_uri

__all__ = ["Folder", "explain_errors", "is_unreachable", "is_uri", "resolve"]

_PLAIN = "/=,@"
"""What names have, beside letters, digits and `_.-~`, that means nothing in a URI's path."""
TEMPORARY = ".tmp"
"""The end of the names of files and folders that are not whole yet."""
R = TypeVar("R")
PAUSES = (1.0, 3.0, 9.0)
"""Seconds to wait before each new try to read a file."""
_REFUSED = (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
_BROKEN_OFF = "INTERNAL_FAILURE"
_AWAY = re.compile(
    r"NETWORK_CONNECTION|curlCode|SLOW_?DOWN|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|REQUEST_TIMEOUT|HTTP status 50[0234]"
)


@dataclass(frozen=True)
class Folder:
    """A folder at a path or URI; names are relative to it, with forward slashes.

    Example::

        folder = Folder("s3://bucket/tumours").at("data")
        print(folder.names(), folder.read("notes.txt"))

    `above` is the path of the folder that this one was named from, if any: what is removed must lie below that.
    """

    path: str
    above: str = field(default="", compare=False, repr=False)

    def at(self, name: str) -> "Folder":
        """Return the folder `name` below this one; characters that have a meaning in a URI are escaped."""
        if not is_uri(self.path):
            return Folder(f"{self.path.rstrip('/')}/{name}", self.path)
        place, question, options = self.path.partition("?")
        return Folder(f"{place.rstrip('/')}/{quote(name, safe=_PLAIN)}{question}{options}", self.path)

    def folders_above(self) -> Iterator["Folder"]:
        """Yield the folders above this one, the nearest first; links are followed, a store ends at its bucket."""
        if self.renames:
            yield from (Folder(str(above)) for above in Path(os.path.realpath(self.inner())).parents)
            return
        place, question, options = self.path.partition("?")
        scheme, mark, rest = place.partition("://")
        while rest := rest.rstrip("/").rpartition("/")[0]:
            yield Folder(f"{scheme}{mark}{rest}{question}{options}")

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

    @property
    def _files(self) -> Files:
        return file_operations(self.filesystem)

    @property
    def renames(self) -> bool:
        """Whether files here can be renamed: on a disk they can, on an object store they cannot."""
        return self._files.renames

    def inner(self, name: str = "") -> str:
        """Return the path of `name` within the filesystem."""
        root = self._resolved[1]
        return f"{root}/{name}" if name else root

    def info(self, name: str = "") -> fs.FileInfo:
        """Return the type, size and time of a file or folder."""
        with explain_errors(self.shown, reading=name or "it"):
            return self._files.info(self.inner(name))

    def exists(self, name: str = "") -> bool:
        """Whether the file or folder exists."""
        return bool(self.info(name).type != fs.FileType.NotFound)

    def entries(self, recursive: bool = False) -> list[fs.FileInfo]:
        """Return the files and folders in this folder, sorted by path; none if it does not exist."""
        with explain_errors(self.shown, reading="it"):
            return sorted(self._files.entries(self.inner(), recursive), key=lambda info: info.path)

    def files(self, recursive: bool = True) -> list[fs.FileInfo]:
        """Return the files below this folder, sorted by path; none if it does not exist."""
        return [info for info in self.entries(recursive) if info.is_file]

    def names(self) -> list[str]:
        """Return the names of all files below this folder, relative to it and sorted."""
        return [info.path.removeprefix(self.inner()).lstrip("/") for info in self.files()]

    def all_names(self) -> list[str]:
        """Return the names of all but folders below this folder, also of pipes and links; links are not followed."""
        with explain_errors(self.shown, reading="what is in it"):
            return sorted(self._files.all_names(self.inner()))

    def is_link(self, name: str) -> bool:
        """Whether a file or folder is a symbolic link."""
        return self.renames and os.path.islink(self.inner(name))

    def read(self, name: str) -> bytes:
        """Return the whole file."""
        with explain_errors(self.shown, reading=name):
            return _read_again(lambda: self._files.read(self.inner(name)))

    def view(self, name: str) -> pa.Buffer:
        """Return the whole file; on a local disk it is mapped, and read when it is used."""
        if self.renames:
            return self._files.view(self.inner(name))
        return pa.py_buffer(self.read(name))

    def read_arrow(self, name: str) -> pa.Table:
        """Return the table of an Arrow IPC file that `write_arrow` wrote; raises DamageError as `read_sealed`."""
        return pa.ipc.open_file(self._sealed(name)).read_all()

    def write_arrow(self, name: str, table: pa.Table) -> None:
        """Write a sealed Arrow IPC file, not compressed, so that rows can be taken from a mapped file."""
        with self.sealing(name) as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks())

    def read_sealed(self, name: str) -> bytes:
        """Return the content of a sealed file; raises DamageError if it is missing or was changed."""
        return bytes(self._sealed(name).to_pybytes())

    def _sealed(self, name: str) -> pa.Buffer:
        """Return the content of a sealed file; on a local disk each process hashes it once."""
        with explain_errors(self.shown, reading=name):
            try:
                data = self.view(name)
                whole = is_file_sealed(self.inner(name), name) if self.renames else is_sealed(name, data)
            except FileNotFoundError:
                raise DamageError(self.inner(name), f"{self.shown}/{name}", gone=True) from None
        if not whole:
            raise DamageError(self.inner(name), f"{self.shown}/{name}")
        return without_seal(data)

    def write_sealed(self, name: str, data: bytes) -> None:
        """Write the whole file with a seal, so that `read_sealed` notices damage."""
        with self.sealing(name) as sink:
            sink.write(data)

    @contextmanager
    def sealing(self, name: str) -> Iterator[Sealing]:
        """Open `name` for writing with a seal; the file appears when the block ends without an exception."""
        with self.writing(name) as file:
            sink = Sealing(name, file.write)
            yield sink
            sink.seal()

    def is_whole(self, name: str) -> bool:
        """Whether a sealed file exists and is undamaged."""
        try:
            self._sealed(name)
        except DamageError:
            return False
        return True

    @contextmanager
    def local_copy(self) -> Iterator[Path]:
        """Yield a local folder with the same files: this one, or a copy for as long as the block lasts."""
        if self.renames:
            yield Path(self.inner())
            return
        out = next((name for name in self.names() if ".." in name.split("/")), None)
        if out:
            raise OutputError(f"{self.shown}: holds {out!r}, which leads out of the folder; remove it")
        with TemporaryDirectory() as temporary:
            with explain_errors(self.shown, reading="what is in it"):
                _read_again(lambda: self._files.download(self.inner(), temporary))
            yield Path(temporary)

    @contextmanager
    def filling(self) -> Iterator[Path]:
        """Yield an empty local folder; its files replace all files here when the block ends without an exception."""
        parent = os.path.dirname(self.inner()) if self.renames else None
        with explain_errors(self.shown):
            if parent:
                make_folder(parent)
            with _temporary_folder(parent) as temporary:
                yield Path(temporary)
                self.remove()
                if parent:
                    self._files.rename(temporary, self.inner())
                else:
                    self._files.upload(temporary, self.inner())

    def write(self, name: str, data: bytes) -> None:
        """Write the whole file; it appears whole or not at all."""
        with self.writing(name) as sink:
            sink.write(data)

    @contextmanager
    def writing(self, name: str) -> Iterator[pa.NativeFile]:
        """Open `name` for writing; the file appears when the block ends, and not at all if the block raises.

        The disk has the file and its name then, so that a power loss takes neither.
        """
        final, files = self.inner(name), self._files
        with explain_errors(self.shown):
            if not files.renames:
                with files.create(final) as sink:
                    yield sink
                return
            target = f"{final}.{uuid4().hex[:8]}{TEMPORARY}"
            try:
                with files.create(target) as sink:
                    yield sink
                files.rename(target, final)
            except BaseException:
                files.remove_file(target)
                raise

    def move(self, name: str, target: "Folder") -> None:
        """Move a file of this folder to `target` on the same disk; a file of its name there is replaced.

        A file that is there, and no longer here, was moved before: that is no error.
        """
        with explain_errors(target.shown):
            try:
                self._files.rename(self.inner(name), target.inner(name))
            except FileNotFoundError:
                if not target.exists(name):
                    raise

    def sweep(self) -> None:
        """Remove temporary files of killed writes in this folder, but not below. Only its sole writer may call this."""
        for info in self.entries():
            if info.base_name.endswith(TEMPORARY):
                self.remove(info.base_name)

    def remove(self, name: str = "") -> None:
        """Remove the file, or the folder with all its files, if it exists.

        Raises OutputError, and removes nothing, if it is not below the folder that it was named from.
        """
        self._refuse_outside(name)
        with explain_errors(self.shown):
            info = self._files.info(self.inner(name))
            if info.is_file:
                self._files.remove_file(info.path)
            elif info.type == fs.FileType.Directory or not name:
                self._files.remove_folder(self.inner(name))

    def _refuse_outside(self, name: str) -> None:
        """Raise OutputError if a name, or the name of this folder in the one above, leads out of the folder."""
        if not (name or self.above):
            return
        path, outer = (
            os.path.normpath(one) for one in (self.inner(name), (self if name else Folder(self.above)).inner())
        )
        if not path.startswith(f"{outer.rstrip('/')}/"):
            raise OutputError(
                f"{self.shown}: what was to be removed is not below it, and stays as it is; check the path"
            )

    def prune(self) -> None:
        """Remove this folder if it exists and is empty."""
        with explain_errors(self.shown):
            self._files.prune_folder(self.inner())


def _temporary_folder(parent: str | None) -> "TemporaryDirectory[str]":
    return TemporaryDirectory(suffix=TEMPORARY, dir=parent, ignore_cleanup_errors=True)


def _read_again(read: Callable[[], R]) -> R:
    """Return what `read` returns; calls it again if a store broke off its answer, which pyarrow does not retry."""
    for pause in PAUSES:
        try:
            return read()
        except OSError as error:
            if _BROKEN_OFF not in str(error):
                raise
        time.sleep(pause)
    return read()


def is_unreachable(reason: str) -> bool:
    """Whether an error's text says that a store did not answer, or was too busy."""
    return bool(_AWAY.search(reason))


@contextmanager
def explain_errors(path: str, reading: str = "") -> Iterator[None]:
    """Turn the OSError of a full disk, a refused write or an unreachable store into an OutputError with advice.

    `reading` names what is read; it is empty where something is written.
    """
    try:
        yield
    except OSError as error:
        reason = " ".join(redacted(str(error)).split())[:300]
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
            advice = "the disk is full; make room and run the same command again, finished work is kept"
        elif is_uri(path) and not isinstance(error, FileNotFoundError) and is_unreachable(reason):
            advice = f"cannot be reached: {reason}; run the same command again, finished work is kept"
        elif error.errno == errno.EISDIR:
            lies = error.filename2 or error.filename  # a rename names what it would put there first
            advice = f"a folder lies where a file belongs ({lies}); move it elsewhere, and run it again"
        elif error.errno == errno.ENODEV:
            advice = f"what lies in a file's place is {error.strerror} ({error.filename}); move it elsewhere"
        elif error.errno == errno.EEXIST:
            advice = f"a file lies where a folder belongs ({error.filename}); move it elsewhere, and run it again"
        elif error.errno in _REFUSED or (is_uri(path) and "ACCESS_DENIED" in reason):
            by_arrow = error.errno and "Detail: [errno" in str(error)  # which names the path once more
            why = os.strerror(error.errno or 0) if by_arrow else error.strerror or error
            if reading and error.errno in (errno.EACCES, errno.EPERM, None):
                raise OutputError(f"{path}: {reading} may not be read ({why}); give this user that right") from error
            advice = f"may not be written ({why}); give the rights or choose another output.path"
        else:
            raise
        raise OutputError(f"{path}: {advice}") from error
