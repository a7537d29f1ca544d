"""Finds the builds below a folder, each with its state: complete, damaged, under way, unfinished, or as `State` says.

It reads names, sizes, manifests and locks, but no rows. It changes nothing.
"""

import json
import os
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pyarrow import fs

from pipelines.storage.folder import Folder, explain_errors, is_uri
from pipelines.storage.lock import SILENT, Writer, is_running_here, read_writer
from pipelines.storage.workspace import HIDDEN, VERSION, WORK, Workspace, make_workspace
from schemas.errors import DamageError, OutputError
from schemas.manifest import DATA, FORMAT, MANIFEST, Manifest

State = Literal["complete", "damaged", "unreadable", "under way", "unfinished", "other version"]
_OURS = {"format", "spec_fingerprint", "content_hash", "shards"}
"""The keys that a manifest of any version of makeweight has."""


@dataclass(frozen=True)
class FoundBuild:
    """A dataset, or an unfinished build of one.

    `path` has no credentials, `folder` may have some. `manifest` is that of the published dataset, also while another
    build is under way; `published` is when it was published (seconds since 1970). `writer` is the build that holds the
    lock. `detail` explains the state. `files` are the names of all files beside the manifest.
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


def find_builds(path: str) -> list[FoundBuild]:
    """Return the builds in the folder or URI `path` and below it, sorted by path.

    Hidden folders, links to folders and unreadable folders are left out. Raises OutputError if there is no such folder.

    Example: `[build.path for build in find_builds("datasets") if build.state == "damaged"]`.
    """
    root = Folder(path if is_uri(path) else os.path.abspath(os.path.expanduser(path)))
    with explain_errors(root.shown):
        found = root.filesystem.get_file_info(root.inner())
    if found.type != fs.FileType.Directory:
        raise OutputError(f"{root.shown}: there is no such folder; give one that builds are in")
    return list(_walk_builds(root))


def _walk_builds(folder: Folder) -> Iterator[FoundBuild]:
    infos = _list_entries(folder)
    build = _inspect_folder(folder, infos) if {MANIFEST, HIDDEN} & set(infos) else None
    if build:
        yield replace(build, files=frozenset(infos), folder=folder)
    if build and not _is_series(infos):
        return
    for name in sorted(infos):
        if infos[name].type == fs.FileType.Directory and not name.startswith(".") and not _is_link(folder, name):
            yield from _walk_builds(folder.at(name))


def _list_entries(folder: Folder) -> dict[str, fs.FileInfo]:
    """Return the entries of a folder by name; without names that are not valid Unicode, which no build has."""
    try:
        return _read_entries(folder)
    except PermissionError:
        return {}


def _read_entries(folder: Folder) -> dict[str, fs.FileInfo]:
    """Return the entries of a folder by name; raises PermissionError where it may not be read."""
    named = {}
    for info in folder.filesystem.get_file_info(fs.FileSelector(folder.inner(), allow_not_found=True)):
        with suppress(UnicodeDecodeError):
            named[info.base_name] = info
    return named


def _is_link(folder: Folder, name: str) -> bool:
    return isinstance(folder.filesystem, fs.LocalFileSystem) and os.path.islink(folder.inner(name))


def _inspect_folder(folder: Folder, infos: dict[str, fs.FileInfo]) -> FoundBuild | None:
    """Return the build in this folder, or None if there is none."""
    try:
        return _read_build(folder, infos)
    except OutputError as error:
        return FoundBuild(folder.shown, "unreadable", detail=str(error).removeprefix(f"{folder.shown}: "))


def _read_build(folder: Folder, infos: dict[str, fs.FileInfo]) -> FoundBuild | None:
    """Return the build in this folder; raises OutputError for a file that may not be read."""
    hidden, info = folder.at(HIDDEN), infos.get(MANIFEST)
    manifest, odd = _read_manifest(folder, info, HIDDEN in infos)
    published = info.mtime.timestamp() if manifest and info and info.mtime else None
    writer = read_writer(hidden) if HIDDEN in infos else None
    if writer and _is_alive(writer):
        return FoundBuild(folder.shown, "under way", manifest, published, writer)
    if odd:
        return FoundBuild(folder.shown, "other version", detail=odd)
    if manifest:
        damage = _describe_damage(folder, manifest)
        return FoundBuild(folder.shown, "damaged" if damage else "complete", manifest, published, detail=damage)
    if HIDDEN not in infos or (_is_series(infos) and not _work_folders(hidden)):
        return None
    return _describe_unfinished(folder, hidden)


def _is_series(infos: Collection[str]) -> bool:
    """Whether a folder with these entries holds versions."""
    return any(VERSION.fullmatch(name) for name in infos)


def _describe_damage(folder: Folder, manifest: Manifest) -> str:
    """Say which shards are missing or of another size; an empty text if none. Only `verify` reads their rows."""
    with explain_errors(folder.shown, reading=DATA):
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


def _read_manifest(folder: Folder, info: fs.FileInfo | None, surely_ours: bool) -> tuple[Manifest | None, str]:
    """Return the manifest and an empty text; or None and the reason why a manifest of ours cannot be read."""
    if info is None:
        return None, ""
    try:
        data = folder.read(MANIFEST)
        return Manifest.model_validate_json(data), ""
    except FileNotFoundError:  # it is being replaced
        return None, ""
    except ValueError:
        keys = _read_keys(data)
    if not surely_ours and not set(keys) >= _OURS:
        return None, ""
    if keys.get("format") not in (None, FORMAT):
        return None, f"its manifest has format {keys['format']}, this version reads {FORMAT}"
    return None, "its manifest cannot be read by this version"


def _read_keys(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_alive(writer: Writer) -> bool:
    """Whether the build that holds a lock still runs; of one on another host the last sign of life decides."""
    runs = is_running_here(writer)
    return time.time() - writer.seen <= SILENT if runs is None else runs


def _describe_unfinished(folder: Folder, hidden: Folder) -> FoundBuild:
    """Return the unfinished build in this folder. Only the same versions of all libraries can resume it."""
    works = _work_folders(hidden)
    if not works:
        return FoundBuild(folder.shown, "unfinished", detail="it keeps nothing but fitted models, if any")
    if not any(_can_resume(folder, name.removeprefix(WORK)) for name in works):
        return FoundBuild(folder.shown, "other version", detail="begun with other versions; the same build starts anew")
    return FoundBuild(folder.shown, "unfinished", detail="run the same build again, and it goes on")


def _work_folders(hidden: Folder) -> list[str]:
    return [name for name in _list_entries(hidden) if name.startswith(WORK)]


def _can_resume(folder: Folder, key: str) -> bool:
    """Whether the build that began the work under this key would resume it."""
    try:
        plan = Workspace(folder, key).plan()
    except DamageError:  # it was stopped before anything was done; or the plan is written anew
        return True
    except ValueError:
        return False
    return make_workspace(folder.path, plan).key == key
