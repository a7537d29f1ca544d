"""Whose an output is, and whether a build may have it: looked at before any work, and again once the lock is held.

A dataset, and a series of versions, belong to a name. Nothing that is not ours by a manifest or a ledger is in the way
of a build that goes on: such a build stops, and says what it found.
"""

import json
from collections.abc import Callable, Sequence

from pyarrow import fs

from pipelines.dataset.beside import BESIDE, strange_beside
from pipelines.dataset.ledger import Listed, enlisted, is_open, listed, shards_of, strangers
from pipelines.dataset.publish import difference, is_build_of, read_manifest
from pipelines.dataset.versions import named, newest_version
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import HIDDEN, VERSION, Workspace, version_workspace
from schemas.errors import OutputError
from schemas.manifest import CARD, DATA, Manifest
from schemas.plan import Plan
from schemas.versions import LATEST, SITE, SITE_MARK

OWNER = "owner.json"
"""Says whose an output is before anything is published there."""
SHOWN = 3
"""How many names a message lists."""
Replace = bool | str
"""Whether a build may take the place of another one: of the same name, or of the dataset that it names."""


def check_output(plan: Plan, place: Workspace, replace: Replace = False) -> Manifest | None:
    """Return the manifest if this very build is complete already, nothing if the output is free.

    Raises OutputError when the output belongs to another name, holds another build and `replace` is not set, or holds
    anything that is not makeweight's.
    """
    while True:
        before = _state(place)
        try:
            return _checked(plan, place, replace)
        except OutputError:
            if _state(place) == before:
                raise
        # without the lock, another build went on meanwhile, and what was found is of two moments: look again


def _state(place: Workspace) -> tuple[Manifest | None, Listed]:
    """Return what changes before a build changes anything else that a look at the output goes by."""
    return read_manifest(place.output), listed(place)


def _checked(plan: Plan, place: Workspace, replace: Replace) -> Manifest | None:
    _refuse_within(place)
    manifest = read_manifest(place.output)
    _refuse_other_name(plan, place, manifest, replace)
    if manifest and is_build_of(manifest, plan):
        return manifest
    _refuse_foreign(place, manifest)
    if manifest is None or (replace and not place.series):
        return None
    if place.series:
        raise OutputError(f"{place.output.shown} was just published by another build; run the same command again")
    raise OutputError(
        f"{place.output.shown} holds another build ({manifest.name!r}, {manifest.rows:,} rows, "
        f"{difference(manifest, plan)}); "
        "give another output.path, or --replace to put this build in its place"
    )


def claim(plan: Plan, place: Workspace) -> None:
    """Write down whose the output is, for builds that come before anything is published."""
    if owner(place) != plan.name:
        place.hidden.write(OWNER, json.dumps({"name": plan.name}).encode())


def owner(place: Workspace) -> str | None:
    """Return the name that an output belongs to: that of its dataset or newest version, or of what was begun there."""
    if place.series:
        newest = newest_version(place.series)
        manifest = newest and newest[1]
    else:
        manifest = read_manifest(place.output)
    return manifest.name if manifest else _begun(place)


def _begun(place: Workspace) -> str | None:
    try:
        name = json.loads(place.hidden.read(OWNER))["name"]
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return name if isinstance(name, str) else None


def _refuse_other_name(plan: Plan, place: Workspace, manifest: Manifest | None, replace: Replace) -> None:
    name = owner(place)
    if name in (None, plan.name, replace):
        return
    shown = (place.series or place.output).shown
    there = "" if manifest or place.series else ", which was begun there and is not published yet"
    raise OutputError(
        f"{shown} belongs to the dataset {name!r}{there}, and this one is {plan.name!r}; give another output.path, or "
        f"--replace-other {name} to put this build in its place"
    )


def _refuse_within(place: Workspace) -> None:
    """Raise OutputError for an output inside another dataset or series, whose builds would take it for their own."""
    output = place.series or place.output
    for above in output.folders_above():
        if _holds_dataset(above):
            raise OutputError(
                f"{output.shown} lies in {above.shown}, which holds a dataset of makeweight, or the beginning of one;"
                " give an output.path outside it"
            )


def _holds_dataset(folder: Folder) -> bool:
    try:
        return folder.exists(HIDDEN) or read_manifest(folder) is not None
    except (OutputError, OSError, ValueError):  # a manifest of something else, or what cannot be looked at
        return False


def _refuse_foreign(place: Workspace, manifest: Manifest | None) -> None:
    """Raise OutputError for what no record of ours lists; beside a dataset, for what is read with its shards."""
    foreign = strangers(place.output, shards_of(manifest) | enlisted(place))
    if foreign:
        raise OutputError(
            f"{place.output.shown} holds {_listed(foreign)}, which no build of makeweight wrote there; "
            "move it elsewhere, or give another output.path"
        )
    if manifest is None:
        begun = {HIDDEN, DATA, *(BESIDE if is_open(place) else ())}
        _refuse_others(place.output, lambda name: name in begun)
    refuse_strange(place, manifest)
    if place.series:
        beside = {HIDDEN, *_beside_versions(place)}
        _refuse_others(place.series, lambda name: name in beside or bool(VERSION.fullmatch(name)))
        _refuse_other_versions(place.series)


def refuse_strange(place: Workspace, manifest: Manifest | None, names: Sequence[str] = BESIDE) -> None:
    """Raise OutputError where a file that a build would write over or remove is not as makeweight wrote it there."""
    foreign = strange_beside(place, manifest, names)
    if foreign:
        raise OutputError(
            f"{place.output.shown} holds {_listed(foreign)}, which is not what makeweight wrote there; "
            "move it elsewhere, or give another output.path"
        )


def _beside_versions(place: Workspace) -> set[str]:
    """Return what may lie beside the versions of a series: our own files, once it has a version or names one."""
    series = place.series
    if series and (newest_version(series) or (_begun(place) and named(series))):
        return {LATEST, SITE, CARD}
    return {SITE} if series and _is_site(series) else set()


def _is_site(series: Folder) -> bool:
    """Whether the page over the builds lies there, which `makeweight site` writes."""
    return series.exists(SITE) and SITE_MARK.encode() in series.read(SITE)


def _refuse_others(folder: Folder, ours: Callable[[str], bool]) -> None:
    foreign = [info.base_name for info in folder.entries() if not ours(info.base_name)]
    if foreign:
        held = f"{folder.shown} is not empty (it holds {_listed(foreign)})"
        raise OutputError(f"{held}; move that elsewhere, or give an empty or new output.path")


def _refuse_other_versions(series: Folder) -> None:
    """Raise OutputError for a folder that is named like a version and is none.

    One with a broken manifest is, where a newer version is complete: nobody reads it any more, and it is not removed.
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
    one = version_workspace(series, name)
    if is_open(one):
        return True
    try:
        manifest = read_manifest(one.output)
    except OutputError:
        if int(name[1:]) < newest:
            return True
        raise
    if manifest:
        return manifest.version == int(name[1:])
    return info.type == fs.FileType.Directory and not one.output.names()


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return f"{', '.join(map(repr, names[:SHOWN]))}{more}"
