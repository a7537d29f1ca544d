"""Whose an output is, and whether a build may have it: looked at before any work, and again once the lock is held.

A dataset, and a series of versions, belong to a name. Nothing that is not ours by a manifest or a ledger is in the way
of a build that goes on: such a build stops, and says what it found.
"""

import json
import os
from collections.abc import Callable

from pyarrow import fs

from pipelines.dataset.ledger import COMPANIONS, enlisted, is_open, shards_of, strangers
from pipelines.dataset.publish import difference, is_build_of, read_manifest
from pipelines.dataset.versions import newest_version
from pipelines.storage.folder import Folder, is_uri
from pipelines.storage.workspace import HIDDEN, VERSION, Workspace, version_workspace
from schemas.errors import Fault, OutputError, SpecError
from schemas.manifest import CARD, DATA, Manifest
from schemas.plan import Plan
from schemas.spec import Spec
from schemas.versions import LATEST, SITE

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


def _state(place: Workspace) -> tuple[Manifest | None, set[str]]:
    """Return what changes before a build changes anything else that a look at the output goes by."""
    return read_manifest(place.output), enlisted(place)


def _checked(plan: Plan, place: Workspace, replace: Replace) -> Manifest | None:
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
    except (FileNotFoundError, ValueError, KeyError, TypeError):
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


def _refuse_foreign(place: Workspace, manifest: Manifest | None) -> None:
    """Raise OutputError for what no record of ours lists; beside a dataset, for what is read with its shards."""
    foreign = strangers(place.output, shards_of(manifest) | enlisted(place))
    if foreign:
        raise OutputError(
            f"{place.output.shown} holds {_listed(foreign)}, which no build of makeweight wrote there; "
            "move it elsewhere, or give another output.path"
        )
    if manifest is None:
        begun = {DATA, *COMPANIONS} if is_open(place) else {DATA}
        _refuse_others(place.output, lambda name: name in {HIDDEN, *begun})
    if place.series:
        beside = {HIDDEN, LATEST, SITE, *([CARD] if place.series.exists(LATEST) else [])}
        _refuse_others(place.series, lambda name: name in beside or bool(VERSION.fullmatch(name)))
        _refuse_other_versions(place.series)


def _refuse_others(folder: Folder, ours: Callable[[str], bool]) -> None:
    foreign = [info.base_name for info in folder.entries() if not ours(info.base_name)]
    if foreign:
        held = f"{folder.shown} is not empty (it holds {_listed(foreign)})"
        raise OutputError(f"{held}; move that elsewhere, or give an empty or new output.path")


def _refuse_other_versions(series: Folder) -> None:
    """Raise OutputError for a folder that is named like a version and is none."""
    for info in series.entries():
        if VERSION.fullmatch(info.base_name) and not _is_version(series, info):
            raise OutputError(
                f"{series.shown} holds {info.base_name!r}, which is named like a version and was not published by"
                " makeweight; move it elsewhere, or give another output.path"
            )


def _is_version(series: Folder, info: fs.FileInfo) -> bool:
    name = info.base_name
    one = version_workspace(series, name)
    if is_open(one):
        return True
    manifest = read_manifest(one.output)
    if manifest:
        return manifest.version == int(name[1:])
    return info.type == fs.FileType.Directory and not one.output.names()


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return f"{', '.join(map(repr, names[:SHOWN]))}{more}"


def refuse_nested(spec: Spec) -> None:
    """Raise SpecError if the output lies in the source's folder: the next build would take its files for rows."""
    source, output = _whole(spec.source.path), _whole(spec.output.path)
    if source == output or output.startswith(f"{source.rstrip('/')}/"):
        problem = f"lies in the source's folder, whose next reading would take it for rows, got {spec.output.path!r}"
        raise SpecError(Fault(("output", "path"), f"{problem}; give a folder outside {spec.source.path}"))


def _whole(path: str) -> str:
    """Return a path without links and detours; of a URI, without its options."""
    if not is_uri(path):
        return os.path.realpath(path)
    place = path.partition("?")[0]
    scheme, _, rest = place.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].rstrip('/')}"
