"""Finds, opens and fingerprints the files of a source. It knows names and first bytes, not rows."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pyarrow as pa
from pyarrow import fs

from pipelines.modality import MODALITIES
from pipelines.source.archive import Archive, is_archive, open_archive
from pipelines.source.compressed import UNPACKING, from_xz, from_zip
from pipelines.source.declared_splits import declared_in
from pipelines.source.hive import columns_named
from pipelines.source.kinds import HEAD, is_annotations, is_class_list, is_coco, list_files, meant, yolo_files
from pipelines.source.peek import BYTES, UNNAMED, as_text, holds_object, holds_one, holds_records, table_in
from pipelines.source.splits import ALL, NONE, choose, doubts
from pipelines.storage.folder import is_unreachable, resolve
from schemas.errors import Advice, Fault, SourceError, SpecError, nearest
from schemas.hashing import json_hash
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
    **dict.fromkeys((".yaml", ".yml", ".names"), "yolo"),
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"), "images"),
    **dict.fromkeys((".jpe", ".jfif", ".jp2", ".ppm", ".pgm", ".pbm", ".pnm"), "images"),
}
TABLES = tuple(next(iter(MODALITIES.values())).formats)
"""The formats whose files are tables: those of the first modality."""
_JOINED = (*TABLES, "listed")
"""Formats whose files together are one table."""
TOGETHER = {name: one.called for one in MODALITIES.values() for name in one.formats if name not in TABLES}
"""The formats in which one file is one row, and what their files hold."""
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".xz": "xz", ".zip": "zip"}
READING = (
    "header", "nulls", "types", "missing_label", "missing_text", "label",
    *(one.key for one in MODALITIES.values() if one.key), "images", "annotations", "faulty_boxes",
)  # fmt: skip
"""Keys of the spec's `source` that decide how its files are read."""
_LISTED = ", or have a table beside the images name each with its class (metadata.csv with file_name and label)"
LIST = 256 << 20
"""Bytes read, at most, of a file that lists the files of a split."""
CHUNK = 4 << 20
"""Bytes read at a time where a whole file is hashed or searched."""


@dataclass(frozen=True)
class Files:
    """The files of a source, as sorted `names` relative to `root`, a folder of `filesystem` or an archive.

    `path` is the spec's path without credentials; `bytes` is the size of all files. `lists` counts the annotations of
    each split that list files in the source declare, where the spec chooses no split. `alone` says that the source is
    one file and not a folder. `others` are the folder's files that are not read. `doubts` are sentences about files
    that are read although their names suggest held-out rows. `memo` caches what a format found out about a file.
    """

    path: str
    format: str
    filesystem: fs.FileSystem | Archive
    root: str
    names: list[str]
    bytes: int = 0
    lists: Mapping[str, int] = field(default_factory=dict)
    alone: bool = False
    others: Sequence[str] = ()
    doubts: Sequence[str] = ()
    memo: dict[tuple[str, ...], Any] = field(default_factory=dict, compare=False, repr=False)

    def shown(self, name: str) -> str:
        """Return the file's name in messages: the spec's path if it is that file, else the path and the name."""
        single = self.path.split("?")[0].rstrip("/").endswith(name)
        return self.path if single else f"{self.path.rstrip('/')}: {name}"

    def open(self, name: str, compression: str | None = "detect") -> pa.NativeFile:
        """Open the file as a stream, and unpack it if its name's extension says that it is compressed."""
        if compression == "detect":
            compression = COMPRESSIONS.get(os.path.splitext(name)[1].lower())
        if compression == "zip":
            return pa.PythonFile(from_zip(self.open_random(name)), mode="r")
        stream = self.stream(name)
        if compression == "xz":
            return pa.PythonFile(from_xz(stream), mode="r")
        return pa.CompressedInputStream(stream, compression) if compression else stream

    def stream(self, name: str) -> pa.NativeFile:
        """Open the file as a stream of its bytes, without unpacking."""
        return self.filesystem.open_input_stream(self._inner(name), compression=None)

    def open_random(self, name: str) -> pa.NativeFile:
        """Open the file for random access, as Parquet needs it."""
        return self.filesystem.open_input_file(self._inner(name))

    def _inner(self, name: str) -> str:
        """Return the file's path; raise SourceError if a link (maybe a new one) leads out of the folder."""
        path = f"{self.root}/{name}"
        if not self.alone and isinstance(self.filesystem, fs.LocalFileSystem) and not _within(path, self._real_root):
            raise _leads_out(self.path, name)
        return path

    @cached_property
    def _real_root(self) -> str:
        return os.path.realpath(self.root)


@contextmanager
def readable(place: str) -> Iterator[None]:
    """Turn errors of pyarrow and the filesystem about `place` into a SourceError without credentials."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeEncodeError, *UNPACKING) as error:
        reason = redacted(str(error)).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError(f"{place}: cannot be read: {reason}; {_advice(reason)}") from error


def _advice(reason: str) -> str:
    if is_unreachable(reason):
        return "the store cannot be reached, or is busy: run the same command again"
    if "password" in reason:
        return "take the password off the archive"
    if "runcated" in reason or "magic bytes" in reason or "footer" in reason or "inflate" in reason:
        return "the file is cut short or is not what its name says: fetch it again, or set source.format"
    if "ermission" in reason or "ACCESS_DENIED" in reason or "Forbidden" in reason:
        return "give this user the right to read it"
    return "check that the file is whole and that its path and source.format are right"


def find_files(source: Source, key: str = "source.path") -> Files:
    """Return the files of a source and their format; `key` is the spec's key of its path, for messages.

    A folder is searched at any depth; files and folders whose name begins with `_` or `.` are left out. Raises
    SourceError if there is nothing to read, or if a link leads out of the folder.
    """
    place = redacted(source.path)
    with readable(place):
        filesystem, inner = resolve(source.path)
        info = filesystem.get_file_info(inner)
    if info.type == fs.FileType.Directory:
        return _folder(source, filesystem, inner, key)
    if not info.is_file:
        raise SourceError(_missing(place, filesystem, inner, info, key), code="no-such-source")
    if is_archive(inner):
        with readable(place):
            archive = open_archive(source.path, place)
        inside = Files(place, "", archive, archive.root, list(archive.sizes), info.size)
        return _one_table(source, inside, inner) or _folder(source, archive, archive.root, key)
    root, name = os.path.split(inner)
    found = source.format or format_of(name)
    alone = Files(place, found or "", filesystem, root, [name], info.size, alone=True)
    if source.format is None and found in ("coco", "folders"):
        found = _of_content(alone, found)
    _refuse_alone(replace(alone, format=found or ""), source)
    if found is None:
        raise SourceError(
            f"{place}: the format cannot be told from the name; known are {', '.join(EXTENSIONS)} (also with "
            f"{', '.join(COMPRESSIONS)} added, except Parquet); set source.format to csv, tsv, jsonl or parquet"
        )
    if source.split not in (None, ALL, NONE):
        advice = Advice(("source", "split"), None)
        problem = f"{place} is one file, got {source.split!r}; {advice}"
        raise SpecError(Fault(advice.path, problem, "no-splits", advice))
    return replace(alone, format=found)


def reopen(source: Source, profile: SourceProfile) -> Files:
    """Return the files from which a profile was made."""
    place = redacted(source.path)
    with readable(place):
        filesystem, inner = resolve(source.path)
        single = filesystem.get_file_info(inner).is_file
        if single and is_archive(inner):
            archive = open_archive(source.path, place)
            return Files(place, profile.format, archive, archive.root, profile.files, profile.bytes)
    root = os.path.dirname(inner) if single else inner
    return Files(place, profile.format, filesystem, root, profile.files, profile.bytes, alone=single)


def format_of(name: str) -> str | None:
    """Return the format that the extension of a file's name stands for, or None."""
    stem, extension = os.path.splitext(name.lower())
    if extension in COMPRESSIONS:
        inner = EXTENSIONS.get(os.path.splitext(stem)[1])
        return None if inner == "parquet" else inner
    return EXTENSIONS.get(extension)


def _of_content(files: Files, found: str) -> str:
    """Return the format of one .json or .txt file by its content, since the file may hold a table."""
    head = _peeked(files, files.names[0])
    if found == "coco":
        return "jsonl" if holds_records(head) else found
    return table_in(head) or found


def _peeked(files: Files, name: str) -> bytes:
    """Return the first bytes of a text file."""
    with readable(files.shown(name)), files.open(name) as stream:
        return as_text(bytes(stream.read(BYTES)))


def _refuse_alone(files: Files, source: Source) -> None:
    """Raise SourceError if one file is no dataset: in its format each file is one row."""
    if source.format is None and files.format == "coco" and holds_object(_peeked(files, files.names[0])):
        raise SourceError(
            f"{files.path}: holds one JSON object, which is no list of records; write an array of objects or one object"
            " a line, as pandas does with to_json(orient='records', lines=True)"
        )
    if files.format in TOGETHER:
        table = "; if it is a table, set source.format to csv or tsv" if files.format == "folders" else ""
        problem = f"one file of {TOGETHER[files.format]} is no dataset; give the folder, or archive, of all{table}"
        raise SourceError(f"{files.path}: {problem}")


def _one_table(source: Source, files: Files, packed: str) -> Files | None:
    """Return the only file of an archive as a table, if the spec or the archive's name `packed` gives its format.

    Returns None if the archive is read like a folder: it holds several files, no table, or a table whose own name has
    the right extension.
    """
    names = [name for name in files.names if not _hidden(name)]
    if len(names) != 1:
        return None
    one, told = replace(files, names=names), format_of(names[0])
    if told in TABLES and source.format in (None, told):
        return None
    found = source.format or told or format_of(packed)
    if source.format is None and found in ("coco", "folders"):
        found = _of_content(one, found)
    return replace(one, format=found) if found in TABLES and source.split in (None, ALL, NONE) else None


def _missing(place: str, filesystem: fs.FileSystem, inner: str, info: fs.FileInfo, key: str) -> str:
    if info.type != fs.FileType.NotFound:
        return f"{place}: is neither a file nor a folder; set {key} to one"
    folder, name = os.path.split(inner)
    with readable(place):
        beside = filesystem.get_file_info(fs.FileSelector(folder, allow_not_found=True)) if folder else []
    hint = nearest(name, [info.base_name for info in beside])
    hint = hint if "did you mean" in hint else ""
    return f"{place}: no such file or folder; check {key} (relative paths start at the spec file){hint}"


def _folder(source: Source, filesystem: fs.FileSystem | Archive, root: str, key: str) -> Files:
    place = redacted(source.path)
    with readable(place):
        sizes = _all_sizes(source, filesystem, root)
    formats = {name: format_of(name) for name in sizes}
    formats = _with_records(formats, Files(place, "", filesystem, root, []))
    known = {name: found for name, found in formats.items() if found}
    given = source.format or (source.annotations and "coco")
    wanted = {given} if given else meant(known, _head(filesystem, root))
    among = {"images", *wanted} if wanted <= {"voc", "coco"} else wanted
    names = sorted(name for name, found in formats.items() if found in among)
    names = sorted(yolo_files(formats)) if wanted == {"yolo"} else names
    names = sorted(list_files(known, _head(filesystem, root))) if wanted == {"listed"} else names
    if not names and given in TABLES and given != "parquet":
        names = sorted(name for name in sizes if os.path.splitext(name)[1].lower() in UNNAMED and not _is_note(name))
    if not names:
        looked_for = [end for end, found in EXTENSIONS.items() if found == source.format or not source.format]
        raise SourceError(
            f"{place}: the folder holds no data files; looked for {', '.join(looked_for)} at any depth and found "
            f"{len(sizes):,} other files; check {key} and source.format"
        )
    if len(wanted) > 1:
        raise SourceError(
            f"{place}: the folder holds files of several formats ({', '.join(sorted(map(str, wanted)))}); "
            f"set source.format to the one that is meant{_LISTED * ('images' in wanted)}"
        )
    found = next(iter(wanted))
    _refuse_undecodable(place, names)
    declared = declared_in(sorted(sizes), found, _head(filesystem, root, LIST))
    lists = Counter[str]()
    if found == "voc" and source.split is None:  # VOC's folder is often used whole
        lists.update(declared[name] for name in names if name in declared and format_of(name) == found)
        declared = {}
    others = sorted(sizes.keys() - set(names)) if found in TOGETHER else []
    unsure = doubts(names, _titled(found)) if source.split is None and found in _JOINED else []
    names = _of_split(source, found, place, names, declared)
    unsure += _left(formats) if found == "jsonl" else []
    size = sum(sizes[name] for name in names)
    return Files(place, found, filesystem, root, names, size, dict(sorted(lists.items())), others=others, doubts=unsure)


def _is_note(name: str) -> bool:
    """Whether a file's name says that it describes the others (README, LICENSE, NOTICE)."""
    return os.path.basename(name).upper().startswith(("README", "LICENSE", "LICENCE", "NOTICE"))


def _with_records(formats: dict[str, str | None], files: Files) -> dict[str, str | None]:
    """Return the formats, with .json files of records as tables if the folder holds no other data.

    If no file holds several records, each file that holds one object is a row.
    """
    data = {found for name, found in formats.items() if found != "folders" or "/" in name}
    if not data <= {None, "coco", "yolo"}:
        return formats
    rows, records = set(), set()
    for name in (name for name, found in formats.items() if found == "coco"):
        head = _peeked(files, name)
        rows |= {name} if holds_one(head) else set()
        records |= {name} if holds_records(head) else set()
    if records <= rows and len(records | rows) > 1:
        records |= rows
    return formats | dict.fromkeys(records, "jsonl")


def _left(formats: Mapping[str, str | None]) -> list[str]:
    """Return a list with one sentence about the JSON files that are not read, or an empty list."""
    rest = sorted(name for name, found in formats.items() if found == "coco")
    told = "JSON files that hold one object, and not rows as the others do, are not read"
    return [f"{told}: {len(rest):,}, such as {rest[0]}."] if rest else []


def _all_sizes(source: Source, filesystem: fs.FileSystem | Archive, root: str) -> dict[str, int]:
    """Return the sizes in bytes of the files below `root`: those not hidden, and annotations that the spec names."""
    if isinstance(filesystem, Archive):
        sizes = {name: size for name, size in filesystem.sizes.items() if not _hidden(name)}
    elif isinstance(filesystem, fs.LocalFileSystem):
        sizes = _local_sizes(redacted(source.path), root)
    else:
        sizes = _sizes(filesystem, root)
    for name in [source.annotations] if isinstance(source.annotations, str) else source.annotations or []:
        if name not in sizes and ".." not in name.split("/"):
            found = _size_of(filesystem, root, name)
            sizes |= {} if found is None else {name: found}
    return sizes


def _size_of(filesystem: fs.FileSystem | Archive, root: str, name: str) -> int | None:
    """Return the size of a file below `root`; None if there is no file, or if a link leads out of `root`."""
    if isinstance(filesystem, Archive):
        return filesystem.sizes.get(name)
    path = f"{root}/{name}"
    if isinstance(filesystem, fs.LocalFileSystem) and not _within(path, os.path.realpath(root)):
        return None
    info = filesystem.get_file_info(path)
    return int(info.size) if info.is_file else None


def _refuse_undecodable(place: str, names: list[str]) -> None:
    """Raise SourceError for names that are not UTF-8, since class names come from them and enter the dataset."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise SourceError(f"{place}: the name {name!r} is not UTF-8; rename the file or its folder") from None


def _head(filesystem: fs.FileSystem | Archive, root: str, most: int = HEAD) -> Callable[[str], bytes]:
    """Return a function that reads the first `most` bytes of a file, or no bytes if the file cannot be read."""

    def head(name: str) -> bytes:
        try:
            with filesystem.open_input_stream(f"{root}/{name}", compression=None) as stream:
                return bytes(stream.read(most))
        except (pa.ArrowException, OSError):
            return b""

    return head


def _of_split(source: Source, found: str, place: str, names: list[str], declared: Mapping[str, str]) -> list[str]:
    """Return the files of the split that the spec asks for; if it names annotations instead, return all files."""
    if source.annotations and source.split is None:
        return names
    beside, notes = _about(found), found == "folders"
    columns = columns_named(source) if found in TABLES and source.split is None else ()
    return choose(
        names,
        source.split,
        place,
        titled=_titled(found),
        beside=beside,
        declared=declared,
        notes=notes,
        columns=columns,
        joined=found in _JOINED,
    )


def _about(found: str) -> Callable[[str], bool]:
    """Return a test of whether a file describes other files, as annotations and class lists do in that format."""
    about = {"coco": is_coco, "yolo": is_class_list, "listed": lambda name: format_of(name) in TABLES}
    return about.get(found, lambda _: False)


def _titled(found: str) -> Callable[[str], bool]:
    """Return a test of whether a file's own name may name its split."""
    return _about(found) if found in ("coco", "listed") else lambda _: found not in TOGETHER


def _hidden(name: str) -> bool:
    """Whether the name of a file or of a folder above begins with `_` or `.`; Roboflow's annotations do not count."""
    *folders, file = name.split("/")
    return any(part.startswith(("_", ".")) for part in (*folders, "" if is_annotations(file) else file))


def _sizes(filesystem: fs.FileSystem, root: str) -> dict[str, int]:
    infos = filesystem.get_file_info(fs.FileSelector(root, recursive=True))
    sizes = {info.path[len(root) :].lstrip("/"): info.size for info in infos if info.is_file}
    return {name: size for name, size in sizes.items() if not _hidden(name)}


def _local_sizes(place: str, root: str) -> dict[str, int]:
    """Return the sizes in bytes of the files below `root`; only links to files within `root` are followed."""
    sizes = {}
    real_root = os.path.realpath(root)
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not _hidden(name)]
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in [*links, *(name for name in files if not _hidden(name))]:
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, root).replace(os.sep, "/")
            if name in links or (os.path.islink(path) and not _within(path, real_root)):
                raise _leads_out(place, relative, "to a folder" if name in links else "out of the folder")
            if os.path.isfile(path):
                sizes[relative] = os.path.getsize(path)
    return sizes


def _within(path: str, real_root: str) -> bool:
    """Whether a file still lies below `real_root` after all links are followed."""
    return os.path.realpath(path).startswith(real_root.rstrip(os.sep) + os.sep)


def _leads_out(place: str, name: str, where: str = "out of the folder") -> SourceError:
    return SourceError(
        f"{place}: {name} is a symbolic link {where}; makeweight reads only what lies in the folder: copy the data"
        " there, or remove the link"
    )


def fingerprint(files: Files, source: Source, contents: Sequence[str]) -> str:
    """Return the SHA-256 of the files' `contents`, in order, and of the options that decide how they are read.

    The files' paths and names do not count, except folders named `key=value` of tables, which are columns.
    """
    options = as_before(source.model_dump(mode="json", include={*READING, *LATER}))
    if files.format in TABLES and any("=" in os.path.dirname(name) for name in files.names):
        options["folders"] = [os.path.dirname(name) for name in files.names]
    return json_hash({"files": contents, "format": files.format, **options})


def file_hash(files: Files, name: str, begins: Sequence[int] = ()) -> tuple[str, list[str]]:
    """Return the SHA-256 of a file's bytes, and one of its first n bytes for each n of `begins` (ascending)."""
    content, found, position = hashlib.sha256(), [], 0
    with readable(files.shown(name)), Files.stream(files, name) as stream:
        for size in [*begins, None]:
            while chunk := stream.read(CHUNK if size is None else min(CHUNK, size - position)):
                content.update(chunk)
                position += len(chunk)
            found.append(content.hexdigest())
    return found[-1], found[:-1]
