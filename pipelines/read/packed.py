"""Files packed in ways that pyarrow does not unpack: .xz, and .zip with one file in it."""

import lzma
import zipfile
import zlib
from typing import IO, cast

import pyarrow as pa

from schemas.errors import SourceError

UNPACKING = (lzma.LZMAError, zipfile.BadZipFile, zlib.error, NotImplementedError)
"""What the standard library raises of a file that cannot be unpacked; a password is told as an OSError here."""
_NOTES = ("__MACOSX/", ".")


def unpacked(file: pa.NativeFile, compression: str) -> IO[bytes]:
    """Return what is in the file, as a stream; raises SourceError for an archive of several files."""
    if compression == "xz":
        return cast(IO[bytes], lzma.open(file))
    archive = zipfile.ZipFile(cast(IO[bytes], file))
    names = _members(archive)
    if len(names) != 1:
        raise SourceError(f"the archive holds {len(names):,} files; unpack it, and give the folder or one file")
    try:
        return archive.open(names[0])
    except RuntimeError as error:  # how a password is told
        raise OSError(str(error)) from error


def only_member(file: pa.NativeFile) -> str | None:
    """Return the name of the one file in an archive, or nothing if there are none or several."""
    with file, zipfile.ZipFile(cast(IO[bytes], file)) as archive:
        names = _members(archive)
    return names[0] if len(names) == 1 else None


def _members(archive: zipfile.ZipFile) -> list[str]:
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    return [name for name in names if not name.startswith(_NOTES) and not name.rpartition("/")[2].startswith(".")]
