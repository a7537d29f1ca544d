"""Versions of one dataset, each in a folder of its own below the output, which is then a series.

A version's folder does not change once it is complete. `latest.json` beside the versions names the newest one. The card
beside them is that of the newest; `datasets` finds the files by it. So no reader sees a mix of two versions.
`top_up.py` says what a version keeps of the one before, and `prune.py` which versions are removed.
"""

import json
from collections.abc import Callable
from contextlib import suppress

from pipelines.dataset.publish import is_build_of, read_manifest, write_visible
from pipelines.dataset.seal import has_page_seal, is_page_intact, seal_page
from pipelines.plan.planning import make_plan
from pipelines.plan.privacy import is_private
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import HIDDEN, VERSION, VERSIONS, Workspace, version_name
from schemas.errors import DamageError, Fault, OutputError, SpecError
from schemas.manifest import CARD, MANIFEST, Manifest
from schemas.plan import Plan
from schemas.spec import Spec
from schemas.versions import LATEST, Base, Record

RECORD, ROWS = "record.json", "rows.arrow"


def find_dataset(path: str) -> Folder:
    """Return the folder of the dataset at `path`: of a series its newest version, else `path` itself.

    Raises OutputError if `latest.json` names no version.
    """
    folder = Folder(path)
    if not _is_series(folder):
        return folder
    name = read_latest(folder)
    if name is None:
        raise OutputError(f"{folder.shown}/{LATEST} names no version; build the dataset again, and it is written anew")
    return folder.at(name)


def _is_series(folder: Folder) -> bool:
    """Whether a folder is a series. Beside a manifest, a `latest.json` is somebody else's file."""
    return folder.exists(LATEST) and not folder.exists(MANIFEST)


def read_latest(series: Folder) -> str | None:
    """Return the name of the version in `latest.json`, or None if the file is missing or holds none."""
    try:
        name = json.loads(series.read(LATEST))["version"]
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return name if isinstance(name, str) and VERSION.fullmatch(name) else None


def newest_folder(path: str) -> Folder:
    """Return the folder of the newest version below `path`; raises OutputError where there are no versions."""
    folder = Folder(path)
    if not _is_series(folder):
        raise OutputError(f"{folder.shown} holds no versions: there is no {LATEST}; set output.versions in its spec")
    return find_dataset(path)


def version_folders(series: Folder) -> dict[int, str]:
    """Return the names of the folders of all versions by number, complete or not, the oldest first."""
    names = (info.base_name for info in series.entries() if VERSION.fullmatch(info.base_name))
    return dict(sorted((int(name[1:]), name) for name in names))


def newest_version(series: Folder) -> tuple[int, Manifest] | None:
    """Return the number and the manifest of the newest complete version, or None if there is none."""
    for number, name in reversed(version_folders(series).items()):
        manifest = read_manifest(series.at(name))
        if manifest:
            return number, manifest
    return None


def plan_build(spec: Spec) -> Plan:
    """Return the plan of a build; of a series, the plan of its next version.

    Raises SpecError or SourceError as `make_plan` and `plan_next_version` do.

    Example: `plan_build(load_spec("spec.yaml")[0]).strata`.
    """
    return plan_next_version(spec, make_plan(spec))


def plan_next_version(spec: Spec, plan: Plan) -> Plan:
    """Return the plan with the number of the next version and the version that it tops up.

    If the newest version is this very build already, its number is returned. Raises SpecError if the spec asks for
    a top-up that cannot be.
    """
    rule = spec.output.versions
    if rule is None:
        return plan
    if rule.top_up:
        _refuse_top_up(plan)
    series = Folder(spec.output.path)
    found = newest_version(series)
    if found is None:
        return plan.model_copy(update={"version": 1})
    number, manifest = found
    if is_build_of(manifest, plan):
        return plan.model_copy(update={"version": number, "complete": True, "base": manifest.base})
    base = _make_base(series, number, manifest, plan) if rule.top_up else None
    return plan.model_copy(update={"version": number + 1, "base": base})


def _refuse_top_up(plan: Plan) -> None:
    if plan.key_env:
        problem = "a top-up keeps fitted models and hashes of rows, and nothing may lie beside an encrypted dataset"
        raise SpecError(Fault(("output", "versions", "top_up"), f"{problem}; set it to false"))
    if is_private(plan):
        problem = "each fit of a private model spends budget again, and nothing adds up what versions spend together"
        raise SpecError(Fault(("output", "versions", "top_up"), f"{problem}; set it to false"))


def _make_base(series: Folder, number: int, manifest: Manifest, plan: Plan) -> Base:
    """Return the version before as base; `anew` says why nothing of it can be kept, as far as the manifest shows."""
    record, anew = read_sound_record(series, version_name(number)), None
    before, now = (
        [(column.name, column.type, column.stored) for column in one.columns] for one in (manifest, plan.profile)
    )
    if manifest.encryption_key_env:
        anew = "it is encrypted, and keeps nothing for its successors"
    elif record is None:
        anew = "what it kept for its successors is gone"
    elif record.recipe != plan.recipe:
        anew = "the spec makes rows in another way now"
    elif before != now:
        anew = "the source has other columns now"
    return Base(version=version_name(number), content_hash=manifest.content_hash, anew=anew)


def records_folder(series: Folder) -> Folder:
    """Return the folder where versions keep what their successors need."""
    return series.at(HIDDEN).at(VERSIONS)


def read_record(series: Folder, version: str) -> Record | None:
    """Return the record of a version, or None if it is missing, damaged, or of another version of makeweight."""
    with suppress(DamageError, ValueError):
        return Record.model_validate_json(records_folder(series).at(version).read_sealed(RECORD))
    return None


def read_sound_record(series: Folder, version: str) -> Record | None:
    """Return the record of a version as `read_record` does, but raise OutputError if it is damaged."""
    folder = records_folder(series).at(version)
    if folder.exists(RECORD) and not folder.is_whole(RECORD):
        raise damaged_record_error(series, version)
    return read_record(series, version)


def damaged_record_error(series: Folder, version: str) -> OutputError:
    """Return the error for a damaged record, which cannot be made again."""
    folder = records_folder(series).at(version)
    advice = "put it back from a copy, or remove it, and the next version starts anew"
    return OutputError(f"{folder.shown}: what {version} kept for its successors is damaged; {advice}")


def publish_latest(workspace: Workspace, render_card: Callable[[Manifest, str], str]) -> None:
    """Write `latest.json` and the card of the newest version beside the versions. May be done again.

    `render_card` makes a card of a manifest and of the relative path of its files.
    """
    series = workspace.series
    newest = newest_version(series) if series else None
    if series is None or newest is None:
        return
    number, manifest = newest
    name = version_name(number)
    write_visible(workspace, LATEST, json.dumps({"version": name}).encode() + b"\n", series)
    card = seal_page(render_card(manifest, f"{name}/"), _version_label(name, manifest))
    write_visible(workspace, CARD, card.encode(), series)


def _version_label(name: str, manifest: Manifest) -> str:
    return f"{name} {manifest.content_hash}"


def find_series_faults(series: Folder) -> list[str]:
    """Return the faults of `latest.json` and of the card beside the versions; a card without a seal counts as sound."""
    newest = newest_version(series)
    if newest is None:
        return []
    number, manifest = newest
    name, faults = version_name(number), []
    if (found := read_latest(series)) != name:
        faults.append(f"{LATEST} {f'names {found}' if found else 'is gone, or names no version'}; {name} is the newest")
    if not series.exists(CARD):
        return [*faults, f"{CARD} beside the versions is missing"]
    card = series.read(CARD).decode(errors="replace")
    if (manifest.seal or has_page_seal(card)) and not is_page_intact(card, _version_label(name, manifest)):
        faults.append(f"{CARD} beside the versions was changed since it was published")
    return faults
