"""Finds the builds below a folder, each in its state: complete, damaged, under way, unfinished, or as `State` says.

It looks at names, sizes, manifests and locks; of the data it reads nothing, and it changes nothing.
"""

import json
import os
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pyarrow import fs

from pipelines.storage.folder import Folder, explained, is_uri
from pipelines.storage.lock import SILENT, Writer, read_writer, runs_here
from pipelines.storage.workspace import HIDDEN, VERSION, WORK, Workspace, workspace
from schemas.errors import DamageError, OutputError
from schemas.manifest import DATA, FORMAT, MANIFEST, Manifest

State = Literal["complete", "damaged", "unreadable", "under way", "unfinished", "other version"]
_OURS = {"format", "spec_fingerprint", "content_hash", "shards"}
"""Keys by which a file that is named like a manifest is known for one of any version."""


@dataclass(frozen=True)
class Build:
    """A dataset, or the beginning of one.

    `path` is without credentials, `folder` is not. `manifest` is that of what is published there, also while another
    build is under way; `published` is when (seconds since 1970). `writer` holds the lock; `detail` says what the state
    does not. `files` are the names of all that lies beside the manifest.
    """

    path: str
    state: State
    manifest: Manifest | None = None
    published: float | None = None
    writer: Writer | None = None
    detail: str = ""
    files: frozenset[str] = frozenset()
    folder: Folder | None = field(default=None, repr=False)

    @property
    def bytes(self) -> int | None:
        """Bytes of the shards."""
        return sum(shard.bytes for shard in self.manifest.shards) if self.manifest else None


def find_builds(path: str) -> list[Build]:
    """Return the builds in the folder or URI `path` and below it, in the order of their paths.

    Hidden folders, links to folders and folders that may not be read are left out. Raises OutputError if there is no
    such folder.
    """
    root = Folder(path if is_uri(path) else os.path.abspath(os.path.expanduser(path)))
    with explained(root.shown):
        found = root.filesystem.get_file_info(root.inner())
    if found.type != fs.FileType.Directory:
        raise OutputError(f"{root.shown}: there is no such folder; give one that builds are in")
    return list(_below(root))


def _below(folder: Folder) -> Iterator[Build]:
    infos = _entries(folder)
    build = _look(folder, infos) if {MANIFEST, HIDDEN} & set(infos) else None
    if build:
        yield replace(build, files=frozenset(infos), folder=folder)
    if build and not _is_series(infos):
        return
    for name in sorted(infos):
        if infos[name].type == fs.FileType.Directory and not name.startswith(".") and not _is_link(folder, name):
            yield from _below(folder.at(name))


def _entries(folder: Folder) -> dict[str, fs.FileInfo]:
    """Return what is in the folder by its name; without names that are no text, which no build has."""
    try:
        return _read_entries(folder)
    except PermissionError:
        return {}


def _read_entries(folder: Folder) -> dict[str, fs.FileInfo]:
    """Return the same; raises PermissionError where the folder may not be read."""
    named = {}
    for info in folder.filesystem.get_file_info(fs.FileSelector(folder.inner(), allow_not_found=True)):
        with suppress(UnicodeDecodeError):
            named[info.base_name] = info
    return named


def _is_link(folder: Folder, name: str) -> bool:
    return isinstance(folder.filesystem, fs.LocalFileSystem) and os.path.islink(folder.inner(name))


def _look(folder: Folder, infos: dict[str, fs.FileInfo]) -> Build | None:
    """Return the build of this folder, or nothing if it holds a manifest of something else."""
    try:
        return _read_build(folder, infos)
    except OutputError as error:
        return Build(folder.shown, "unreadable", detail=str(error).removeprefix(f"{folder.shown}: "))


def _read_build(folder: Folder, infos: dict[str, fs.FileInfo]) -> Build | None:
    """Return the build as `_look` does; raises OutputError for what may not be read."""
    hidden, info = folder.at(HIDDEN), infos.get(MANIFEST)
    manifest, odd = _manifest(folder, info, HIDDEN in infos)
    published = info.mtime.timestamp() if manifest and info and info.mtime else None
    writer = read_writer(hidden) if HIDDEN in infos else None
    if writer and _lives(writer):
        return Build(folder.shown, "under way", manifest, published, writer)
    if odd:
        return Build(folder.shown, "other version", detail=odd)
    if manifest:
        damage = _damage(folder, manifest)
        return Build(folder.shown, "damaged" if damage else "complete", manifest, published, detail=damage)
    if HIDDEN not in infos or (_is_series(infos) and not _works(hidden)):
        return None
    return _unfinished(folder, hidden)


def _is_series(infos: Collection[str]) -> bool:
    """Whether a folder with these in it holds versions; what the next one needs lies beside them."""
    return any(VERSION.fullmatch(name) for name in infos)


def _damage(folder: Folder, manifest: Manifest) -> str:
    """Say which shards are not there in their size, or nothing; of their rows `verify` alone can tell."""
    with explained(folder.shown, reading=DATA):
        there = {f"{DATA}/{name}": info.size for name, info in _read_entries(folder.at(DATA)).items() if info.is_file}
    faults = [
        f"{shard.path!r} is missing"
        if shard.path not in there
        else f"{shard.path!r} has {there[shard.path]:,} bytes, not {shard.bytes:,}"
        for shard in manifest.shards
        if there.get(shard.path) != shard.bytes
    ]
    more = f", and {len(faults) - 1:,} more" if len(faults) > 1 else ""
    return f"{faults[0]}{more}; put it back, or remove the dataset and build it again" if faults else ""


def _manifest(folder: Folder, info: fs.FileInfo | None, surely_ours: bool) -> tuple[Manifest | None, str]:
    """Return the manifest; one of ours that cannot be read comes as the reason."""
    if info is None:
        return None, ""
    try:
        data = folder.read(MANIFEST)
        return Manifest.model_validate_json(data), ""
    except FileNotFoundError:  # it is being replaced
        return None, ""
    except ValueError:
        keys = _keys(data)
    if not surely_ours and not set(keys) >= _OURS:
        return None, ""
    if keys.get("format") not in (None, FORMAT):
        return None, f"its manifest has format {keys['format']}, this version reads {FORMAT}"
    return None, "its manifest cannot be read by this version"


def _keys(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _lives(writer: Writer) -> bool:
    """Whether the build of a lock still runs; one that cannot be seen from here is taken at its last sign of life."""
    runs = runs_here(writer)
    return time.time() - writer.seen <= SILENT if runs is None else runs


def _unfinished(folder: Folder, hidden: Folder) -> Build:
    """Return the build that was begun here; only the same version of all libraries goes on with its work."""
    works = _works(hidden)
    if not works:
        return Build(folder.shown, "unfinished", detail="it keeps nothing but fitted models, if any")
    if not any(_goes_on(folder, name.removeprefix(WORK)) for name in works):
        return Build(folder.shown, "other version", detail="begun with other versions; the same build starts anew")
    return Build(folder.shown, "unfinished", detail="run the same build again, and it goes on")


def _works(hidden: Folder) -> list[str]:
    return [name for name in _entries(hidden) if name.startswith(WORK)]


def _goes_on(folder: Folder, key: str) -> bool:
    """Whether the build whose work is kept under this key would find it again."""
    try:
        plan = Workspace(folder, key).plan()
    except DamageError:  # it was stopped before anything was done; or the plan is written anew
        return True
    except ValueError:
        return False
    return workspace(folder.path, plan).key == key
