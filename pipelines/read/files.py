"""Finds the files of a source, opens them and fingerprints them. Knows nothing of what is in them."""

import codecs
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import fs

from pipelines.read.packed import UNPACKING, only_member, unpacked
from pipelines.storage import away, resolve
from schemas.errors import SourceError, nearest
from schemas.plan import SourceProfile
from schemas.secrets import redacted
from schemas.spec import LATER, Source, as_before

EXTENSIONS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "folders",
    ".xml": "voc",
    ".json": "coco",
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"), "images"),
}
PICTURES = ("images", "voc", "coco")
"""The formats of sources of images; in the last two, files of the first hold the images."""
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".xz": "xz", ".zip": "zip"}
READING = (
    "header", "nulls", "types", "missing_label", "missing_text", "label", "text", "image", "images", "annotations",
    "faulty_boxes",
)  # fmt: skip
"""What of the spec's source decides how its files are read."""
_PEEKED = 1 << 16
CHUNK = 4 << 20
"""Bytes that are read at a time where a file is only looked through."""


@dataclass(frozen=True)
class Files:
    """The files of a source: `names` are relative to `root`, a folder of `filesystem`, and sorted.

    `path` is as the spec gives it, without credentials; `bytes` is the size of all files.
    """

    path: str
    format: str
    filesystem: fs.FileSystem
    root: str
    names: list[str]
    bytes: int = 0

    def shown(self, name: str) -> str:
        """Return how messages call the file: by the path of the spec where that is the file itself."""
        single = self.path.split("?")[0].rstrip("/").endswith(name)
        return self.path if single else f"{self.path.rstrip('/')}: {name}"

    def open(self, name: str, compression: str | None = "detect") -> pa.NativeFile:
        """Open the file as a stream, unpacked if its name says that it is compressed."""
        if compression == "detect":
            compression = COMPRESSIONS.get(os.path.splitext(name)[1].lower())
        if compression in ("xz", "zip"):
            return pa.PythonFile(unpacked(self.open_random(name), compression), mode="r")
        return self.filesystem.open_input_stream(f"{self.root}/{name}", compression=compression)

    def open_random(self, name: str) -> pa.NativeFile:
        """Open the file for reading at any place, as Parquet needs it."""
        return self.filesystem.open_input_file(f"{self.root}/{name}")


@contextmanager
def readable(place: str) -> Iterator[None]:
    """Turn what pyarrow and the filesystem raise about `place` into one plain message without credentials."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeEncodeError, *UNPACKING) as error:
        reason = redacted(str(error)).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError(f"{place}: cannot be read: {reason}; {_advice(reason)}") from error


def _advice(reason: str) -> str:
    if away(reason):
        return "the store cannot be reached, or is busy: run the same command again"
    if "password" in reason:
        return "take the password off the archive"
    if "runcated" in reason or "magic bytes" in reason or "footer" in reason or "inflate" in reason:
        return "the file is cut short or is not what its name says: fetch it again, or set source.format"
    if "ermission" in reason or "ACCESS_DENIED" in reason or "Forbidden" in reason:
        return "give this user the right to read it"
    return "check that the file is whole and that source.path and source.format are right"


def find_files(source: Source) -> Files:
    """Return the files of a source and their format.

    A folder is searched at any depth; files and folders whose name begins with `_` or `.` are left out. Raises
    SourceError where there is nothing to read, or something that must not be (a link out of the folder).
    """
    place = redacted(source.path)
    with readable(place):
        filesystem, inner = resolve(source.path)
        info = filesystem.get_file_info(inner)
    if info.type == fs.FileType.Directory:
        return _folder(source, filesystem, inner)
    if not info.is_file:
        raise SourceError(_missing(place, filesystem, inner, info))
    root, name = os.path.split(inner)
    found = source.format or format_of(name) or _inside(filesystem, inner)
    if source.format is None and found == "coco" and _holds_records(filesystem, inner):
        found = "jsonl"
    if found in ("folders", *PICTURES):
        kind = "text" if found == "folders" else "file of images or annotations"
        raise SourceError(f"{place}: one {kind} is no dataset; give the folder that holds all")
    if found is None:
        raise SourceError(
            f"{place}: the format cannot be told from the name; known are {', '.join(EXTENSIONS)} (also with "
            f"{', '.join(COMPRESSIONS)} added, except Parquet); set source.format to csv, tsv, jsonl or parquet"
        )
    return Files(place, found, filesystem, root, [name], info.size)


def reopen(source: Source, profile: SourceProfile) -> Files:
    """Return the files that a profile was made of."""
    place = redacted(source.path)
    with readable(place):
        filesystem, inner = resolve(source.path)
        single = filesystem.get_file_info(inner).is_file
    root = os.path.dirname(inner) if single else inner
    return Files(place, profile.format, filesystem, root, profile.files, profile.bytes)


def format_of(name: str) -> str | None:
    """Return the format that a file's name tells, or None."""
    stem, extension = os.path.splitext(name.lower())
    if extension in COMPRESSIONS:
        inner = EXTENSIONS.get(os.path.splitext(stem)[1])
        return None if inner == "parquet" else inner
    return EXTENSIONS.get(extension)


def _holds_records(filesystem: fs.FileSystem, inner: str) -> bool:
    """Whether a .json file is an array of records, or has one on each line; COCO's is one object."""
    with readable(os.path.basename(inner)), filesystem.open_input_stream(inner) as stream:
        head = bytes(stream.read(_PEEKED)).removeprefix(codecs.BOM_UTF8).lstrip()
    if head[:1] == b"[":
        return True
    with suppress(ValueError):
        return b"\n" in head and isinstance(json.loads(head.partition(b"\n")[0]), dict)
    return False


def _inside(filesystem: fs.FileSystem, inner: str) -> str | None:
    """Return the format of a file whose name tells none: of the one table in an archive, or of records in JSON."""
    extension = os.path.splitext(inner)[1].lower()
    with readable(os.path.basename(inner)):
        if extension == ".zip":
            found = only_member(filesystem.open_input_file(inner))
            told = found and format_of(found)
            return told if told in ("csv", "tsv", "jsonl") else None
    return None


def _missing(place: str, filesystem: fs.FileSystem, inner: str, info: fs.FileInfo) -> str:
    if info.type != fs.FileType.NotFound:
        return f"{place}: is neither a file nor a folder; set source.path to one"
    folder, name = os.path.split(inner)
    with readable(place):
        beside = filesystem.get_file_info(fs.FileSelector(folder, allow_not_found=True)) if folder else []
    hint = nearest(name, [info.base_name for info in beside])
    hint = hint if "did you mean" in hint else ""
    return f"{place}: no such file or folder; check source.path (relative paths start at the spec file){hint}"


def _folder(source: Source, filesystem: fs.FileSystem, root: str) -> Files:
    place = redacted(source.path)
    with readable(place):
        local = isinstance(filesystem, fs.LocalFileSystem)
        sizes = _local_sizes(place, root) if local else _sizes(filesystem, root)
    formats = {name: format_of(name) for name in sizes}
    wanted = {source.format} if source.format else _meant({name: found for name, found in formats.items() if found})
    among = {"images", *wanted} if wanted <= {"voc", "coco"} else wanted
    names = sorted(name for name, found in formats.items() if found in among)
    if not names:
        looked_for = [end for end, found in EXTENSIONS.items() if found == source.format or not source.format]
        raise SourceError(
            f"{place}: the folder holds no data files; looked for {', '.join(looked_for)} at any depth and found "
            f"{len(sizes):,} other files; check source.path and source.format"
        )
    if len(wanted) > 1:
        raise SourceError(
            f"{place}: the folder holds files of several formats ({', '.join(sorted(map(str, wanted)))}); "
            "set source.format to the one that is meant"
        )
    found = next(iter(wanted))
    _refuse_undecodable(place, names)
    return Files(place, found, filesystem, root, names, sum(sizes[name] for name in names))


def _refuse_undecodable(place: str, names: list[str]) -> None:
    """Refuse names that are no text: they are class names, and are written into the dataset."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise SourceError(f"{place}: the name {name!r} is not UTF-8; rename the file or its folder") from None


def _meant(formats: dict[str, str]) -> set[str]:
    """Return the formats among a folder's files that hold data; one that is left is the source's."""
    wanted = set(formats.values())
    if "images" in wanted:
        # what lies beside images is about them: their annotations, or a note
        marked = {found for name, found in formats.items() if found == "voc" or _is_coco(name)}
        return marked or wanted - {"folders", "voc", "coco"}
    if len(wanted) > 1 or not any("/" in name for name in formats):
        wanted -= {"folders"}  # a note beside tables is no data, and texts need folders for their classes
    return wanted - {"voc", "coco"}


def _is_coco(name: str) -> bool:
    """Whether a name is one that COCO's annotations usually have."""
    folder, file = os.path.split(name.lower())
    named = file.startswith("instances") or "coco" in file or "annotations" in file
    return file.endswith(".json") and (named or os.path.basename(folder) == "annotations")


def _hidden(name: str) -> bool:
    return any(part.startswith(("_", ".")) for part in name.split("/"))


def _sizes(filesystem: fs.FileSystem, root: str) -> dict[str, int]:
    infos = filesystem.get_file_info(fs.FileSelector(root, recursive=True))
    sizes = {info.path[len(root) :].lstrip("/"): info.size for info in infos if info.is_file}
    return {name: size for name, size in sizes.items() if not _hidden(name)}


def _local_sizes(place: str, root: str) -> dict[str, int]:
    """Return the sizes of the files below `root`; links are followed to files within it only."""
    sizes = {}
    real_root = os.path.realpath(root)
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not _hidden(name)]
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in [*links, *(name for name in files if not _hidden(name))]:
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, root).replace(os.sep, "/")
            if name in links or _leads_out(path, real_root):
                raise SourceError(
                    f"{place}: {relative} is a symbolic link {'to a folder' if name in links else 'out of the folder'};"
                    " makeweight reads only what lies in the folder: copy the data there, or remove the link"
                )
            if os.path.isfile(path):
                sizes[relative] = os.path.getsize(path)
    return sizes


def _leads_out(path: str, real_root: str) -> bool:
    """Whether a file below the root is a link to somewhere else; one that is no link lies where it is found."""
    return os.path.islink(path) and not os.path.realpath(path).startswith(real_root.rstrip(os.sep) + os.sep)


def fingerprint(files: Files, source: Source) -> str:
    """Return the SHA-256 of the files' contents, in their order, and of the options that decide how they are read.

    It does not depend on where the files lie nor on their names.
    """
    hashes = []
    for name in files.names:
        content = hashlib.sha256()
        with readable(files.shown(name)), files.open(name, compression=None) as stream:
            while chunk := stream.read(CHUNK):
                content.update(chunk)
        hashes.append(content.hexdigest())
    options = as_before(source.model_dump(mode="json", include={*READING, *LATER}))
    text = json.dumps({"files": hashes, "format": files.format, **options}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
