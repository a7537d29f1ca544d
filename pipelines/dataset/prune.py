"""Removes what no build needs once a dataset is published: old versions, stale work, and models of earlier specs.

It removes only what is in our folder `.makeweight`, or listed by a manifest of ours. A version with a foreign file in
it stays whole. Each function may be done again, and goes on where a killed one stopped.
"""

import time
from collections.abc import Iterable

from pipelines.dataset.companions import find_foreign_companions, remove_dataset
from pipelines.dataset.ledger import DATASET_FILES, has_ledger, shard_paths
from pipelines.dataset.publish import read_manifest
from pipelines.dataset.versions import read_record, records_folder, version_folders
from pipelines.fit.fitting import model_fingerprint
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import SHOW, WORK, Workspace, make_version_workspace, make_workspace
from schemas.errors import DamageError, OutputError
from schemas.manifest import MANIFEST
from schemas.output import Versions
from schemas.plan import Plan

DAY = 86_400.0


def prune_output(workspace: Workspace, plan: Plan, rule: Versions | None) -> list[str]:
    """Remove what no build of this output needs after this one; return in sentences what had to stay."""
    notes = _prune_versions(workspace.series, rule) if workspace.series and rule else []
    for name in _other_work_folders(workspace):
        workspace.hidden.at(name).remove()
    _prune_models(workspace, plan)
    workspace.hidden.at(SHOW).remove()
    return notes


def prune_stale_work(workspace: Workspace, plan: Plan) -> None:
    """Remove the work of builds that cannot be resumed, since the source or the libraries have changed.

    Their copies of the source may hold rows that are deleted there by now. Only the holder of the lock may call this.
    """
    for name in _other_work_folders(workspace):
        if not _can_resume(workspace, name, plan):
            workspace.hidden.at(name).remove()


def _other_work_folders(workspace: Workspace) -> list[str]:
    """Return the names of the work folders of other builds."""
    found = (info.base_name for info in workspace.hidden.entries())
    return [name for name in found if name.startswith(WORK) and name != f"{WORK}{workspace.key}"]


def _can_resume(workspace: Workspace, name: str, plan: Plan) -> bool:
    other = Workspace(workspace.output, name.removeprefix(WORK), workspace.series, workspace.version)
    try:
        begun = other.plan()
    except (DamageError, ValueError):
        return False
    if (begun.profile.fingerprint, begun.version) != (plan.profile.fingerprint, plan.version):
        return False
    return make_workspace((workspace.series or workspace.output).path, begun).key == other.key


def _prune_versions(series: Folder, rule: Versions) -> list[str]:
    """Remove the versions that the rule does not keep, and the rest of those whose removal was begun."""
    folders = {number: make_version_workspace(series, name) for number, name in version_folders(series).items()}
    complete = [number for number, one in folders.items() if one.output.exists(MANIFEST)]
    stay = set(complete[-rule.keep :])
    stay |= {number for number in complete if _age_in_days(folders[number].output) < rule.keep_days}
    notes = [note for number in complete if number not in stay for note in _remove_version(folders[number])]
    for number, one in folders.items():
        if number not in complete and has_ledger(one):
            remove_dataset(one, None)
    for info in records_folder(series).entries():
        if not series.exists(info.base_name) or _is_encrypted(series.at(info.base_name)):
            records_folder(series).at(info.base_name).remove()
    return notes


def _is_encrypted(version: Folder) -> bool:
    """Whether a version is encrypted; earlier makeweights kept hashes of such a version's rows."""
    try:
        manifest = read_manifest(version)
    except OutputError:
        return False
    return bool(manifest and manifest.encryption_key_env)


def _remove_version(one: Workspace) -> list[str]:
    """Remove a version, unless it holds foreign files; return in a sentence why it stays."""
    try:
        manifest = read_manifest(one.output)
    except OutputError as error:
        return [f"{error}; it stays"]
    if manifest is None:
        return []
    foreign = sorted(
        set(one.output.all_names()) - shard_paths(manifest) - set(DATASET_FILES)
    ) or find_foreign_companions(one, manifest)
    if foreign:
        return [f"{one.output.shown} stays, though it is no longer kept: {foreign[0]!r} in it is not makeweight's"]
    remove_dataset(one, manifest)
    return []


def _age_in_days(version: Folder) -> float:
    """Return the days since the version was published."""
    changed = version.info(MANIFEST).mtime
    return (time.time() - changed.timestamp()) / DAY if changed else 0.0


def _prune_models(workspace: Workspace, plan: Plan) -> None:
    """Remove fitted models that no version uses, with their validators and trainings."""
    if plan.key_env:
        workspace.models.remove()  # a fitted model may hold rows, and nothing beside an encrypted dataset may
        return
    used = {model_fingerprint(plan)} if plan.makes_rows else set()
    used |= set(_recorded_models(workspace.series)) if workspace.series else set()
    for info in workspace.models.entries():
        if info.base_name.partition(".")[0] not in used or info.base_name.endswith(".training"):
            workspace.models.at(info.base_name).remove()


def _recorded_models(series: Folder) -> Iterable[str]:
    """Yield the fingerprints of the models in the versions' records."""
    for name in version_folders(series).values():
        record = read_record(series, name)
        if record and record.learnt:
            yield record.learnt.fingerprint
