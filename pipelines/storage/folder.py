"""Files on any filesystem that pyarrow opens. Knows nothing of what is in them.

On a local disk a write goes to a temporary name and is then renamed, so that a name never shows half a file; on an
object store an upload shows itself only when it is whole. The operations that this is made of are in `filesystem.py`.
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
from pipelines.storage.filesystem import Files, files_of, resolve
from pipelines.storage.sealed import Sealing, inside, is_sealed, is_sound
from schemas.errors import DamageError, OutputError
from schemas.secrets import redacted
from schemas.uri import is_uri

__all__ = ["Folder", "away", "explained", "is_uri", "resolve"]

_PLAIN = "/=,@"
"""What names have, beside letters, digits and `_.-~`, that means nothing in a URI's path."""
TEMPORARY = ".tmp"
"""How the names of files and folders end that are not whole yet."""
R = TypeVar("R")
PAUSES = (1.0, 3.0, 9.0)
"""Seconds after which a file is read once more."""
_REFUSED = (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
_BROKEN_OFF = "INTERNAL_FAILURE"
_AWAY = re.compile(
    r"NETWORK_CONNECTION|curlCode|SLOW_?DOWN|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|REQUEST_TIMEOUT|HTTP status 50[0234]"
)


@dataclass(frozen=True)
class Folder:
    """A folder on some filesystem; names are relative to it, with forward slashes.

    `above` is the path of the folder that it was named from, if it was: what is removed must lie below that.
    """

    path: str
    above: str = field(default="", compare=False, repr=False)

    def at(self, name: str) -> "Folder":
        """Return the folder `name` below this one; a sign of the name that means something in a URI is escaped."""
        if not is_uri(self.path):
            return Folder(f"{self.path.rstrip('/')}/{name}", self.path)
        place, question, options = self.path.partition("?")
        return Folder(f"{place.rstrip('/')}/{quote(name, safe=_PLAIN)}{question}{options}", self.path)

    def folders_above(self) -> Iterator["Folder"]:
        """Yield the folders that this one lies in, the nearest first: behind links, and in a store up to the bucket."""
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
        return files_of(self.filesystem)

    @property
    def renames(self) -> bool:
        """Whether files here can be renamed, as on a disk; on an object store they can not."""
        return self._files.renames

    def inner(self, name: str = "") -> str:
        """Return the path of `name` within the filesystem."""
        root = self._resolved[1]
        return f"{root}/{name}" if name else root

    def info(self, name: str = "") -> fs.FileInfo:
        """Return what is there: its type, size and time."""
        with explained(self.shown, reading=name or "it"):
            return self._files.info(self.inner(name))

    def exists(self, name: str = "") -> bool:
        """Whether the file or folder is there."""
        return bool(self.info(name).type != fs.FileType.NotFound)

    def entries(self, recursive: bool = False) -> list[fs.FileInfo]:
        """Return the files and folders in this folder, sorted by path; none if it does not exist."""
        with explained(self.shown, reading="it"):
            return sorted(self._files.entries(self.inner(), recursive), key=lambda info: info.path)

    def files(self, recursive: bool = True) -> list[fs.FileInfo]:
        """Return the files below this folder, sorted by path; none if it does not exist."""
        return [info for info in self.entries(recursive) if info.is_file]

    def names(self) -> list[str]:
        """Return the files below this folder by their names relative to it, sorted."""
        return [info.path.removeprefix(self.inner()).lstrip("/") for info in self.files()]

    def all_names(self) -> list[str]:
        """Return all below this folder that is no folder, as `names` does: links, which are not followed, pipes too."""
        with explained(self.shown, reading="what is in it"):
            return sorted(self._files.all_names(self.inner()))

    def is_link(self, name: str) -> bool:
        """Whether a file or folder lies elsewhere, and only its name is here."""
        return self.renames and os.path.islink(self.inner(name))

    def read(self, name: str) -> bytes:
        """Return the whole file."""
        with explained(self.shown, reading=name):
            return _asked_again(lambda: self._files.read(self.inner(name)))

    def view(self, name: str) -> pa.Buffer:
        """Return the whole file; on a local disk it is mapped, not read, until it is used."""
        if self.renames:
            return self._files.view(self.inner(name))
        return pa.py_buffer(self.read(name))

    def read_arrow(self, name: str) -> pa.Table:
        """Return the table of an Arrow IPC file that `write_arrow` wrote; raises DamageError as `read_sealed`."""
        return pa.ipc.open_file(self._sealed(name)).read_all()

    def write_arrow(self, name: str, table: pa.Table) -> None:
        """Write a sealed Arrow IPC file, not compressed, so that rows can be picked from a mapped one."""
        with self.sealing(name) as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks())

    def read_sealed(self, name: str) -> bytes:
        """Return what was written under a seal; raises DamageError if it is gone, or is not what was written."""
        return bytes(self._sealed(name).to_pybytes())

    def _sealed(self, name: str) -> pa.Buffer:
        """Return what was written under a seal; on a local disk a process hashes it once."""
        with explained(self.shown, reading=name):
            try:
                data = self.view(name)
                whole = is_sound(self.inner(name), name) if self.renames else is_sealed(name, data)
            except FileNotFoundError:
                raise DamageError(self.inner(name), f"{self.shown}/{name}", gone=True) from None
        if not whole:
            raise DamageError(self.inner(name), f"{self.shown}/{name}")
        return inside(data)

    def write_sealed(self, name: str, data: bytes) -> None:
        """Write the whole file with a seal, by which damage is noticed when it is read."""
        with self.sealing(name) as sink:
            sink.write(data)

    @contextmanager
    def sealing(self, name: str) -> Iterator[Sealing]:
        """Open `name` for writing under a seal; it appears when the block ends well."""
        with self.writing(name) as file:
            sink = Sealing(name, file.write)
            yield sink
            sink.seal()

    def is_whole(self, name: str) -> bool:
        """Whether a sealed file is there, and is what was written; a damaged one is as good as none."""
        try:
            self._sealed(name)
        except DamageError:
            return False
        return True

    @contextmanager
    def local_copy(self) -> Iterator[Path]:
        """Give a local folder with the same files: this one, or a copy for as long as the block lasts."""
        if self.renames:
            yield Path(self.inner())
            return
        out = next((name for name in self.names() if ".." in name.split("/")), None)
        if out:
            raise OutputError(f"{self.shown}: holds {out!r}, which leads out of the folder; remove it")
        with TemporaryDirectory() as temporary:
            with explained(self.shown, reading="what is in it"):
                _asked_again(lambda: self._files.download(self.inner(), temporary))
            yield Path(temporary)

    @contextmanager
    def filling(self) -> Iterator[Path]:
        """Give an empty local folder, whose files are put here when the block ends well; whatever was here is gone."""
        parent = os.path.dirname(self.inner()) if self.renames else None
        with explained(self.shown):
            if parent:
                make_folder(parent)
            with _temporary(parent) as temporary:
                yield Path(temporary)
                self.remove()
                if parent:
                    self._files.rename(temporary, self.inner())
                else:
                    self._files.upload(temporary, self.inner())

    def write(self, name: str, data: bytes) -> None:
        """Write the whole file; it is there whole or not at all."""
        with self.writing(name) as sink:
            sink.write(data)

    @contextmanager
    def writing(self, name: str) -> Iterator[pa.NativeFile]:
        """Open `name` for writing; it appears when the block ends well, and not at all when it raises.

        The disk has it then, and its name: a machine that loses power loses none of it.
        """
        final, files = self.inner(name), self._files
        with explained(self.shown):
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
        """Rename a file of this folder into `target`, on the same disk, over what bears its name there.

        One that is there and no longer here was moved before.
        """
        with explained(target.shown):
            try:
                self._files.rename(self.inner(name), target.inner(name))
            except FileNotFoundError:
                if not target.exists(name):
                    raise

    def sweep(self) -> None:
        """Remove what writes that were killed left in this folder, but not below; for its only writer."""
        for info in self.entries():
            if info.base_name.endswith(TEMPORARY):
                self.remove(info.base_name)

    def remove(self, name: str = "") -> None:
        """Remove the file, or the folder with all that is in it, if it is there.

        Raises OutputError, and removes nothing, where it is not below the folder that it was named from.
        """
        self._refuse_outside(name)
        with explained(self.shown):
            info = self._files.info(self.inner(name))
            if info.is_file:
                self._files.remove_file(info.path)
            elif info.type == fs.FileType.Directory or not name:
                self._files.remove_folder(self.inner(name))

    def _refuse_outside(self, name: str) -> None:
        """Raise OutputError where a name, or the name of this folder in the one above, leads elsewhere or nowhere."""
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
        """Remove this folder if it is there and empty."""
        with explained(self.shown):
            self._files.prune_folder(self.inner())


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


@contextmanager
def explained(place: str, reading: str = "") -> Iterator[None]:
    """Turn a full disk, a refused write, or a store that does not answer into one plain message.

    So, too, what may not be read: `reading` is what is read there; nothing where something is written.
    """
    try:
        yield
    except OSError as error:
        reason = " ".join(redacted(str(error)).split())[:300]
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
            advice = "the disk is full; make room and run the same command again, finished work is kept"
        elif is_uri(place) and not isinstance(error, FileNotFoundError) and away(reason):
            advice = f"cannot be reached: {reason}; run the same command again, finished work is kept"
        elif error.errno == errno.EISDIR:
            lies = error.filename2 or error.filename  # a rename names what it would put there first
            advice = f"a folder lies where a file belongs ({lies}); move it elsewhere, and run it again"
        elif error.errno == errno.ENODEV:
            advice = f"what lies in a file's place is {error.strerror} ({error.filename}); move it elsewhere"
        elif error.errno == errno.EEXIST:
            advice = f"a file lies where a folder belongs ({error.filename}); move it elsewhere, and run it again"
        elif error.errno in _REFUSED or (is_uri(place) and "ACCESS_DENIED" in reason):
            by_arrow = error.errno and "Detail: [errno" in str(error)  # which names the path once more
            why = os.strerror(error.errno or 0) if by_arrow else error.strerror or error
            if reading and error.errno in (errno.EACCES, errno.EPERM, None):
                raise OutputError(f"{place}: {reading} may not be read ({why}); give this user that right") from error
            advice = f"may not be written ({why}); give the rights or choose another output.path"
        else:
            raise
        raise OutputError(f"{place}: {advice}") from error
