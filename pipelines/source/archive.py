"""Reads archives (.zip, .tar, compressed or not) as folders: lists their files and opens them.

No file is written under a name that an archive gives, so no member can escape to another folder. Links, devices and
archives that unpack to far more than their size are refused.
"""

import io
import lzma
import os
import posixpath
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import pyarrow as pa
from pyarrow import fs

from pipelines.storage.folder import resolve
from schemas.errors import SourceError

PACKED = {".gz": "gzip", ".tgz": "gzip", ".bz2": "bz2", ".tbz2": "bz2", ".xz": "xz", ".txz": "xz", ".zst": "zstd"}
"""The compressions of tar archives by extension."""
MOST_FILES = 2_000_000
MOST_TIMES, MOST_BYTES = 100, 4 << 30
"""Limits of what an archive may unpack to: this many times its size, or this many bytes if that is more."""
_CHUNK = 4 << 20
_UTF8 = 0x800  # the flag of a zip's member whose name is UTF-8
_LOCKED = 0x1


Listed = tuple[dict[str, int], dict[str, Callable[[], Any]]]
"""The sizes in bytes of an archive's files, and the functions that open them, by their names."""


@dataclass(frozen=True)
class Archive:
    """The files of the archive at `path`: their sizes in bytes by name, below a `root` that stands for its folder.

    The methods that open files are those of pyarrow's filesystems.
    """

    path: str
    root: str
    sizes: dict[str, int]
    members: dict[str, Callable[[], Any]]

    def open_input_stream(self, path: str, compression: str | None = None) -> pa.NativeFile:
        """Open a file of the archive as a stream."""
        stream = pa.PythonFile(self._open(path), mode="r")
        return pa.CompressedInputStream(stream, compression) if compression else stream

    def open_input_file(self, path: str) -> pa.NativeFile:
        """Open a temporary copy of a file of the archive for random access, which packed files do not allow."""
        copy = tempfile.TemporaryFile()  # noqa: SIM115 (closed by the file that is returned)
        with self._open(path) as member:
            while chunk := member.read(_CHUNK):
                copy.write(chunk)
        copy.seek(0)
        return pa.PythonFile(copy, mode="r")

    def get_file_info(self, _path: str) -> fs.FileInfo:
        """Return the information of the archive's own file, since a member exists if the archive does."""
        filesystem, inner = resolve(self.path)
        return filesystem.get_file_info(inner)

    def _open(self, path: str) -> Any:
        try:
            member = self.members[path.removeprefix(f"{self.root}/")]()
        except _FAULTS as error:
            raise OSError(f"it is damaged in the archive: {error}") from error
        return io.BufferedReader(_Sound(member), _CHUNK)


class _Sound(io.RawIOBase):
    """A stream of an archive's member that raises OSError where the archive is damaged."""

    def __init__(self, member: Any) -> None:
        self._member = member

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._member.read(len(buffer))
        except _FAULTS as error:
            raise OSError(f"it is damaged in the archive: {error}") from error
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._member.close()
        super().close()


_FAULTS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
    OverflowError,
)
"""Exceptions that reading a damaged archive raises, besides OSError."""


def is_archive(name: str) -> bool:
    """Whether a file's name is that of an archive."""
    stem, ending = posixpath.splitext(name.lower())
    return ending in (".zip", ".tar", ".tgz", ".tbz2", ".txz") or (ending in PACKED and stem.endswith(".tar"))


def open_archive(path: str, place: str) -> Archive:
    """Return the archive at a path or URI; messages call it `place`.

    Raises SourceError if the archive is damaged, has a password, or holds links or devices. An archive in a remote
    store is copied to a temporary file, and a compressed tar is unpacked into one; both vanish when the process ends.
    """
    filesystem, inner = resolve(path)
    info = filesystem.get_file_info(inner)
    return _opened(path, place, info.size, info.mtime_ns)


@lru_cache(maxsize=4)
def _opened(path: str, place: str, size: int, _changed: int | None) -> Archive:
    filesystem, inner = resolve(path)
    root = inner.rsplit("/", 1)[0] + "/" + os.path.basename(inner).split(".")[0]
    file = _local(filesystem, inner)
    try:
        if inner.lower().endswith(".zip"):
            return Archive(path, root, *_zip(file, place, size))
        return Archive(path, root, *_tar(_unpacked(file, inner, place, size), place))
    except _FAULTS as error:
        raise SourceError(f"{place}: cannot be read as an archive: {error}; fetch it again") from error


def _local(filesystem: fs.FileSystem, inner: str) -> Any:
    """Return the archive as an open local file, copied from its store if needed."""
    if isinstance(filesystem, fs.LocalFileSystem):
        return open(inner, "rb")
    copy = tempfile.TemporaryFile()  # noqa: SIM115
    with filesystem.open_input_stream(inner, compression=None) as stream:
        while chunk := stream.read(_CHUNK):
            copy.write(chunk)
    copy.seek(0)
    return copy


def _zip(file: Any, place: str, size: int) -> Listed:
    opened = zipfile.ZipFile(file)
    sizes: dict[str, int] = {}
    members: dict[str, Callable[[], Any]] = {}
    for info in opened.infolist():
        name = _clean(_name_of(info), place)
        if info.is_dir() or _hidden(name):
            continue
        kind = stat.S_IFMT(info.external_attr >> 16)
        _refuse_odd(name, place, taken=name in sizes, plain=kind in (0, stat.S_IFREG))
        if info.flag_bits & _LOCKED:
            raise SourceError(f"{place}: {name} needs a password; unpack the archive, and give its folder")
        sizes[name], members[name] = info.file_size, partial(opened.open, info)
        _refuse_bomb(len(sizes), 0, size, place)
    _refuse_bomb(0, sum(sizes.values()), size, place)
    return sizes, members


def _name_of(info: zipfile.ZipInfo) -> str:
    """Return a member's name, decoded as UTF-8 if possible: some tools write UTF-8 without its flag."""
    if info.flag_bits & _UTF8 or info.filename.isascii():
        return info.filename
    try:
        return info.filename.encode("cp437").decode()
    except UnicodeError:
        return info.filename


def _tar(file: Any, place: str) -> Listed:
    sizes: dict[str, int] = {}
    members: dict[str, Callable[[], Any]] = {}
    with tarfile.open(fileobj=file, mode="r:") as opened:
        for info in opened:
            name = _clean(info.name, place)
            if info.isdir() or _hidden(name):
                continue
            _refuse_odd(name, place, taken=name in sizes, plain=info.isreg() and not info.issparse())
            sizes[name] = info.size
            members[name] = partial(_Slice, file, info.offset_data, info.size)
            _refuse_bomb(len(sizes), 0, 0, place)
        # tarfile takes a damaged header for the end of the archive, and would silently lose the files behind it
        if os.pread(file.fileno(), tarfile.BLOCKSIZE, opened.offset) != tarfile.NUL * tarfile.BLOCKSIZE:
            raise tarfile.ReadError(f"it is cut short or damaged behind {len(sizes):,} files")
    return sizes, members


class _Slice:
    """A stream of a part of a file; it has its own position, so that several can be read at a time."""

    def __init__(self, file: Any, start: int, size: int) -> None:
        self._file, self._at, self._end = file, start, start + size

    def read(self, size: int) -> bytes:
        data = os.pread(self._file.fileno(), min(size, self._end - self._at), self._at)
        if not data and self._at < self._end:
            raise EOFError("it is cut short")
        self._at += len(data)
        return data

    def close(self) -> None:
        """Do nothing, since the file belongs to the archive."""


def _unpacked(file: Any, inner: str, place: str, size: int) -> Any:
    """Return a tar archive decompressed into a temporary file, or the file itself if it is not compressed."""
    packing = PACKED.get(posixpath.splitext(inner.lower())[1])
    if packing is None:
        return file
    with file:
        stream = _xz(file) if packing == "xz" else pa.CompressedInputStream(file, packing)
        copy = tempfile.TemporaryFile()  # noqa: SIM115
        while chunk := stream.read(_CHUNK):
            copy.write(chunk)
            _refuse_bomb(0, copy.tell(), size, place)
    copy.seek(0)
    return copy


def _xz(file: Any) -> Any:
    return lzma.LZMAFile(file)


def _clean(name: str, place: str) -> str:
    """Return a member's name as a relative path; raise SourceError if the path leads out of the archive."""
    parts = [part for part in name.replace("\\", "/").split("/") if part != "."]
    if parts[:1] == [""] or ".." in parts or "\0" in name or (parts and parts[0].endswith(":")):
        raise SourceError(f"{place}: {name!r} leads out of the archive; pack it anew with plain names")
    return "/".join(parts).rstrip("/")


def _hidden(name: str) -> bool:
    """Whether a member is one of the metadata files that macOS adds to archives."""
    return name.startswith("__MACOSX/") or posixpath.basename(name).startswith("._")


def _refuse_odd(name: str, place: str, *, taken: bool, plain: bool) -> None:
    if not plain:
        raise SourceError(f"{place}: {name} is a link or no plain file; pack the files themselves")
    if taken:
        raise SourceError(f"{place}: two files are named {name}; pack the archive anew with one of them")


def _refuse_bomb(files: int, unpacked: int, size: int, place: str) -> None:
    if files > MOST_FILES or unpacked > max(MOST_TIMES * size, MOST_BYTES):
        what = f"more than {MOST_FILES:,} files" if files else f"{unpacked:,} bytes or more of {size:,} packed ones"
        raise SourceError(f"{place}: it unpacks to {what}; unpack it yourself, and give the folder")
