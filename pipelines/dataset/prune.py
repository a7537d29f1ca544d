"""Removes what nobody needs once a dataset is published: old versions, stale work, and models of earlier specs.

All of it lies in our own folder `.makeweight`, or is listed by a manifest of ours. A version that holds a file which
its manifest does not list stays whole. Each function may be done again, and goes on where one that was killed stopped.
"""

import time
from collections.abc import Iterable

from pipelines.dataset.beside import remove_dataset, strange_beside
from pipelines.dataset.ledger import WHOLE, is_open, shards_of
from pipelines.dataset.publish import read_manifest
from pipelines.dataset.versions import read_record, records, version_folders
from pipelines.fit.fitting import model_fingerprint
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import SHOW, WORK, Workspace, version_workspace, workspace
from schemas.errors import DamageError, OutputError
from schemas.manifest import MANIFEST
from schemas.output import Versions
from schemas.plan import Plan

DAY = 86_400.0


def prune(place: Workspace, plan: Plan, rule: Versions | None) -> list[str]:
    """Remove what no build of this output needs now that this one is published; return what was left, in words."""
    notes = _prune_versions(place.series, rule) if place.series and rule else []
    for name in _works(place):
        place.hidden.at(name).remove()
    _prune_models(place, plan)
    place.hidden.at(SHOW).remove()
    return notes


def prune_stale(place: Workspace, plan: Plan) -> None:
    """Remove the work of builds that cannot go on: of a source that has changed since, or of other libraries.

    Their typed copies hold rows that may be deleted at the source by now. To be done by the holder of the lock.
    """
    for name in _works(place):
        if not _may_go_on(place, name, plan):
            place.hidden.at(name).remove()


def _works(place: Workspace) -> list[str]:
    """Return the names of the other builds' work."""
    found = (info.base_name for info in place.hidden.entries())
    return [name for name in found if name.startswith(WORK) and name != f"{WORK}{place.key}"]


def _may_go_on(place: Workspace, name: str, plan: Plan) -> bool:
    other = Workspace(place.output, name.removeprefix(WORK), place.series, place.version)
    try:
        begun = other.plan()
    except (DamageError, ValueError):
        return False
    if (begun.profile.fingerprint, begun.version) != (plan.profile.fingerprint, plan.version):
        return False
    return workspace((place.series or place.output).path, begun).key == other.key


def _prune_versions(series: Folder, rule: Versions) -> list[str]:
    """Remove the versions that the rule does not keep, and what is left of those that were being removed."""
    folders = {number: version_workspace(series, name) for number, name in version_folders(series).items()}
    complete = [number for number, one in folders.items() if one.output.exists(MANIFEST)]
    stay = set(complete[-rule.keep :])
    stay |= {number for number in complete if _age(folders[number].output) < rule.keep_days}
    notes = [note for number in complete if number not in stay for note in _remove_version(folders[number])]
    for number, one in folders.items():
        if number not in complete and is_open(one):
            remove_dataset(one, None)
    for info in records(series).entries():
        if not series.exists(info.base_name) or _is_encrypted(series.at(info.base_name)):
            records(series).at(info.base_name).remove()
    return notes


def _is_encrypted(version: Folder) -> bool:
    """Return whether its manifest says so: of such a version builds once kept hashes of its rows."""
    try:
        manifest = read_manifest(version)
    except OutputError:
        return False
    return bool(manifest and manifest.encryption_key_env)


def _remove_version(one: Workspace) -> list[str]:
    """Remove a version; one with files that are not ours is left as it is."""
    try:
        manifest = read_manifest(one.output)
    except OutputError as error:
        return [f"{error}; it stays"]
    if manifest is None:
        return []
    foreign = sorted(set(one.output.all_names()) - shards_of(manifest) - set(WHOLE)) or strange_beside(one, manifest)
    if foreign:
        return [f"{one.output.shown} stays, though it is no longer kept: {foreign[0]!r} in it is not makeweight's"]
    remove_dataset(one, manifest)
    return []


def _age(version: Folder) -> float:
    """Return how many days ago the version was published."""
    changed = version.info(MANIFEST).mtime
    return (time.time() - changed.timestamp()) / DAY if changed else 0.0


def _prune_models(place: Workspace, plan: Plan) -> None:
    """Remove fitted models, and the validators and trainings that belong to them, which no version or build uses."""
    if plan.key_env:
        place.models.remove()  # a fitted model may hold rows, and nothing beside an encrypted dataset may
        return
    used = {model_fingerprint(plan)} if plan.makes_rows else set()
    used |= set(_learnt(place.series)) if place.series else set()
    for info in place.models.entries():
        if info.base_name.partition(".")[0] not in used or info.base_name.endswith(".training"):
            place.models.at(info.base_name).remove()


def _learnt(series: Folder) -> Iterable[str]:
    """Yield the models that the versions' records name."""
    for name in version_folders(series).values():
        record = read_record(series, name)
        if record and record.learnt:
            yield record.learnt.fingerprint
