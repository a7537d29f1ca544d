"""Checks that an output may be written by a build: before any work, and again once the build holds the lock.

An output belongs to the name of its dataset. A build of another name is refused. So is every build where the output
holds files that neither a manifest nor a ledger of ours lists; the error names them.
"""

import json
from collections.abc import Callable, Sequence

from pyarrow import fs

from pipelines.dataset.companions import ALL_COMPANIONS, find_foreign_companions
from pipelines.dataset.ledger import Ledger, find_foreign_data, has_ledger, read_ledger, read_ledger_shards, shard_paths
from pipelines.dataset.publish import describe_difference, is_build_of, read_manifest
from pipelines.dataset.versions import newest_version, read_latest
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import HIDDEN, VERSION, Workspace, make_version_workspace
from schemas.errors import OutputError, join_first
from schemas.manifest import CARD, DATA, Manifest
from schemas.plan import Plan
from schemas.versions import LATEST, SITE, SITE_MARK

OWNER = "owner.json"
"""The file that holds the name an output belongs to, before anything is published there."""
Replace = bool | str
"""Whether a build may replace another one: True for one of the same name, or the name of another dataset."""


def check_output(plan: Plan, workspace: Workspace, replace: Replace = False) -> Manifest | None:
    """Return the manifest if this build is complete already, or None if the output is free for it.

    Raises OutputError when the output belongs to another name, holds another build and `replace` is not set, or holds
    anything that is not makeweight's.
    """
    while True:
        before = _read_state(workspace)
        try:
            return _check_once(plan, workspace, replace)
        except OutputError:
            if _read_state(workspace) == before:
                raise
        # another build went on meanwhile, since the lock is not held: what was read is of two moments, so look again


def _read_state(workspace: Workspace) -> tuple[Manifest | None, Ledger]:
    """Return the manifest and the ledger: a build changes one of them before it changes any other file."""
    return read_manifest(workspace.output), read_ledger(workspace)


def _check_once(plan: Plan, workspace: Workspace, replace: Replace) -> Manifest | None:
    _refuse_nested_output(workspace)
    manifest = read_manifest(workspace.output)
    _refuse_other_name(plan, workspace, manifest, replace)
    if manifest and is_build_of(manifest, plan):
        return manifest
    _refuse_foreign(workspace, manifest)
    if manifest is None or (replace and not workspace.series):
        return None
    if workspace.series:
        raise OutputError(f"{workspace.output.shown} was just published by another build; run the same command again")
    raise OutputError(
        f"{workspace.output.shown} holds another build ({manifest.name!r}, {manifest.rows:,} rows, "
        f"{describe_difference(manifest, plan)}); "
        "give another output.path, or --replace to put this build in its place"
    )


def claim_output(plan: Plan, workspace: Workspace) -> None:
    """Write down which name the output belongs to, before anything is published there."""
    if read_owner(workspace) != plan.name:
        workspace.hidden.write(OWNER, json.dumps({"name": plan.name}).encode())


def read_owner(workspace: Workspace) -> str | None:
    """Return the name that an output belongs to: of its dataset, of its newest version, or of an unfinished build."""
    if workspace.series:
        newest = newest_version(workspace.series)
        manifest = newest and newest[1]
    else:
        manifest = read_manifest(workspace.output)
    return manifest.name if manifest else _read_owner_file(workspace)


def _read_owner_file(workspace: Workspace) -> str | None:
    try:
        name = json.loads(workspace.hidden.read(OWNER))["name"]
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return name if isinstance(name, str) else None


def _refuse_other_name(plan: Plan, workspace: Workspace, manifest: Manifest | None, replace: Replace) -> None:
    name = read_owner(workspace)
    if name in (None, plan.name, replace):
        return
    shown = (workspace.series or workspace.output).shown
    there = "" if manifest or workspace.series else ", which was begun there and is not published yet"
    raise OutputError(
        f"{shown} belongs to the dataset {name!r}{there}, and this one is {plan.name!r}; give another output.path, or "
        f"--replace-other {name} to put this build in its place"
    )


def _refuse_nested_output(workspace: Workspace) -> None:
    """Raise OutputError for an output inside another dataset or series, whose builds would take it for their own."""
    output = workspace.series or workspace.output
    for above in output.folders_above():
        if _holds_dataset(above):
            raise OutputError(
                f"{output.shown} lies in {above.shown}, which holds a dataset of makeweight, or the beginning of one;"
                " give an output.path outside it"
            )


def _holds_dataset(folder: Folder) -> bool:
    try:
        return folder.exists(HIDDEN) or read_manifest(folder) is not None
    except (OutputError, OSError, ValueError):  # a manifest of something else, or a folder that may not be read
        return False


def _refuse_foreign(workspace: Workspace, manifest: Manifest | None) -> None:
    """Raise OutputError for files that no manifest or ledger of ours lists.

    Where a dataset is published, only files that a reader could take for its own count.
    """
    foreign = find_foreign_data(workspace.output, shard_paths(manifest) | read_ledger_shards(workspace))
    if foreign:
        raise OutputError(
            f"{workspace.output.shown} holds {join_first(map(repr, foreign))}, which no build of makeweight wrote"
            " there; move it elsewhere, or give another output.path"
        )
    if manifest is None:
        begun = {HIDDEN, DATA, *(ALL_COMPANIONS if has_ledger(workspace) else ())}
        _refuse_foreign_entries(workspace.output, lambda name: name in begun)
    refuse_foreign_companions(workspace, manifest)
    if workspace.series:
        beside = {HIDDEN, *_own_files_of_series(workspace)}
        _refuse_foreign_entries(workspace.series, lambda name: name in beside or bool(VERSION.fullmatch(name)))
        _refuse_false_versions(workspace.series)


def refuse_foreign_companions(
    workspace: Workspace, manifest: Manifest | None, names: Sequence[str] = ALL_COMPANIONS
) -> None:
    """Raise OutputError if a file that a build would overwrite or remove is not as makeweight wrote it."""
    foreign = find_foreign_companions(workspace, manifest, names)
    if foreign:
        raise OutputError(
            f"{workspace.output.shown} holds {join_first(map(repr, foreign))}, which is not what makeweight wrote"
            " there; move it elsewhere, or give another output.path"
        )


def _own_files_of_series(workspace: Workspace) -> set[str]:
    """Return the names of our own files beside the versions of a series."""
    series = workspace.series
    if series and (newest_version(series) or (_read_owner_file(workspace) and read_latest(series))):
        return {LATEST, SITE, CARD}
    return {SITE} if series and _is_site(series) else set()


def _is_site(series: Folder) -> bool:
    """Whether the page that `makeweight site` writes is in the folder."""
    return series.exists(SITE) and SITE_MARK.encode() in series.read(SITE)


def _refuse_foreign_entries(folder: Folder, ours: Callable[[str], bool]) -> None:
    foreign = [info.base_name for info in folder.entries() if not ours(info.base_name)]
    if foreign:
        held = f"{folder.shown} is not empty (it holds {join_first(map(repr, foreign))})"
        raise OutputError(f"{held}; move that elsewhere, or give an empty or new output.path")


def _refuse_false_versions(series: Folder) -> None:
    """Raise OutputError for a folder that is named like a version and is none.

    A version with a broken manifest is one if a newer version is complete: nobody reads it, and it is not removed.
    """
    newest = newest_version(series)
    for info in series.entries():
        if VERSION.fullmatch(info.base_name) and not _is_version(series, info, newest[0] if newest else 0):
            raise OutputError(
                f"{series.shown} holds {info.base_name!r}, which is named like a version and was not published by"
                " makeweight; move it elsewhere, or give another output.path"
            )


def _is_version(series: Folder, info: fs.FileInfo, newest: int) -> bool:
    name = info.base_name
    version = make_version_workspace(series, name)
    if has_ledger(version):
        return True
    try:
        manifest = read_manifest(version.output)
    except OutputError:
        if int(name[1:]) < newest:
            return True
        raise
    if manifest:
        return manifest.version == int(name[1:])
    return info.type == fs.FileType.Directory and not version.output.names()
