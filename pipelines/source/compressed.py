"""Unpacks files that pyarrow does not: .xz, and .zip with one file in it."""

import io
import lzma
import zipfile
import zlib
from typing import IO, Any, cast

import pyarrow as pa

from schemas.errors import SourceError

UNPACKING = (lzma.LZMAError, zipfile.BadZipFile, zlib.error, NotImplementedError)
"""Exceptions of the standard library for a file that cannot be unpacked; for a password, this module raises OSError."""
_NOTES = ("__MACOSX/", ".")


def from_xz(stream: pa.NativeFile) -> IO[bytes]:
    """Return the unpacked content of an .xz stream; closing it closes the stream."""
    return cast(IO[bytes], _Closing(cast(IO[bytes], lzma.open(stream)), stream))


def from_zip(file: pa.NativeFile) -> IO[bytes]:
    """Return the only file in a .zip archive; closing it closes the archive. Raises SourceError for several files."""
    archive = zipfile.ZipFile(cast(IO[bytes], file))
    names = _members(archive)
    if len(names) != 1:
        raise SourceError(f"the archive holds {len(names):,} files; unpack it, and give the folder or one file")
    try:
        return cast(IO[bytes], _Closing(archive.open(names[0]), file))
    except RuntimeError as error:  # zipfile raises it for a file with a password
        raise OSError(str(error)) from error


def _members(archive: zipfile.ZipFile) -> list[str]:
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    return [name for name in names if not name.startswith(_NOTES) and not name.rpartition("/")[2].startswith(".")]


class _Closing(io.RawIOBase):
    """The unpacked content of a file; closing it closes the file."""

    def __init__(self, unpacked: IO[bytes], packed: Any) -> None:
        self._unpacked, self._packed = unpacked, packed

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._unpacked.read(size)

    def close(self) -> None:
        if not self.closed:
            self._unpacked.close()
            self._packed.close()
        super().close()
