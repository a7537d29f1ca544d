"""Versions of one dataset, each in a folder of its own below a series: the newest, the next, and what names them.

A version's folder does not change once it is complete. `latest.json` beside the versions names the newest, and the card
beside them, by which `datasets` finds its files, is that one's: who reads either never sees a mix. Knows no rows: what
a version keeps of another is in `carry.py`, which versions go in `prune.py`.
"""

import json
from collections.abc import Callable
from contextlib import suppress

from pipelines.dataset.publish import is_build_of, put, read_manifest
from pipelines.dataset.seal import has_line, is_whole, with_line
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


def latest(path: str) -> Folder:
    """Return the folder of the newest version below `path`, or `path` itself if it is no series.

    Raises OutputError if `latest.json` names no version.
    """
    folder = Folder(path)
    if not _is_series(folder):
        return folder
    name = named(folder)
    if name is None:
        raise OutputError(f"{folder.shown}/{LATEST} names no version; build the dataset again, and it is written anew")
    return folder.at(name)


def _is_series(folder: Folder) -> bool:
    """Whether a folder names the newest of its versions; beside a manifest such a file is somebody else's."""
    return folder.exists(LATEST) and not folder.exists(MANIFEST)


def named(series: Folder) -> str | None:
    """Return the version that `latest.json` names, or nothing if it is gone or names none."""
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
    return latest(path)


def version_folders(series: Folder) -> dict[int, str]:
    """Return the folders of all versions, complete or not, by their number, the oldest first."""
    names = (info.base_name for info in series.entries() if VERSION.fullmatch(info.base_name))
    return dict(sorted((int(name[1:]), name) for name in names))


def newest_version(series: Folder) -> tuple[int, Manifest] | None:
    """Return the number and the manifest of the newest complete version, or nothing if there is none."""
    for number, name in reversed(version_folders(series).items()):
        manifest = read_manifest(series.at(name))
        if manifest:
            return number, manifest
    return None


def plan_build(spec: Spec) -> Plan:
    """Return the plan of a build, of a series that of its next version; raises as `make_plan` and `succeed` do."""
    return succeed(spec, make_plan(spec))


def succeed(spec: Spec, plan: Plan) -> Plan:
    """Return the plan as that of the next version, and of what it may keep; of the newest if that is this very build.

    Raises SpecError where versions cannot keep what they promise.
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
    base = _base(series, number, manifest, plan) if rule.top_up else None
    return plan.model_copy(update={"version": number + 1, "base": base})


def _refuse_top_up(plan: Plan) -> None:
    if plan.key_env:
        problem = "a top-up keeps fitted models and hashes of rows, and nothing may lie beside an encrypted dataset"
        raise SpecError(Fault(("output", "versions", "top_up"), f"{problem}; set it to false"))
    if is_private(plan):
        problem = "each fit of a private model spends budget again, and nothing adds up what versions spend together"
        raise SpecError(Fault(("output", "versions", "top_up"), f"{problem}; set it to false"))


def _base(series: Folder, number: int, manifest: Manifest, plan: Plan) -> Base:
    """Return the version before as a base, with the reason where nothing of it can be kept, as far as is known yet."""
    record, anew = sound_record(series, version_name(number)), None
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


def records(series: Folder) -> Folder:
    """Return where versions keep what their successors need."""
    return series.at(HIDDEN).at(VERSIONS)


def read_record(series: Folder, version: str) -> Record | None:
    """Return what is kept of a version, or nothing if it is gone, or of another version of makeweight."""
    with suppress(DamageError, ValueError):
        return Record.model_validate_json(records(series).at(version).read_sealed(RECORD))
    return None


def sound_record(series: Folder, version: str) -> Record | None:
    """Return what is kept of a version, as `read_record` does; raises OutputError where that is damaged."""
    folder = records(series).at(version)
    if folder.exists(RECORD) and not folder.is_whole(RECORD):
        raise damaged_record(series, version)
    return read_record(series, version)


def damaged_record(series: Folder, version: str) -> OutputError:
    """Return the error for what was kept of a version, and is damaged: it cannot be made again."""
    folder = records(series).at(version)
    advice = "put it back from a copy, or remove it, and the next version starts anew"
    return OutputError(f"{folder.shown}: what {version} kept for its successors is damaged; {advice}")


def name_newest(place: Workspace, render_card: Callable[[Manifest, str], str]) -> None:
    """Tell readers which version is the newest; may be done again.

    `render_card` makes a card of a manifest and of the folder, from here, that its files are in.
    """
    series = place.series
    newest = newest_version(series) if series else None
    if series is None or newest is None:
        return
    number, manifest = newest
    name = version_name(number)
    put(place, LATEST, json.dumps({"version": name}).encode() + b"\n", series)
    card = with_line(render_card(manifest, f"{name}/"), _shown_version(name, manifest))
    put(place, CARD, card.encode(), series)


def _shown_version(name: str, manifest: Manifest) -> str:
    return f"{name} {manifest.content_hash}"


def faults_beside(series: Folder) -> list[str]:
    """Say what is wrong with what names the newest version; a card of an earlier makeweight tells nothing of itself."""
    newest = newest_version(series)
    if newest is None:
        return []
    number, manifest = newest
    name, faults = version_name(number), []
    if (found := named(series)) != name:
        faults.append(f"{LATEST} {f'names {found}' if found else 'is gone, or names no version'}; {name} is the newest")
    if not series.exists(CARD):
        return [*faults, f"{CARD} beside the versions is missing"]
    card = series.read(CARD).decode(errors="replace")
    if (manifest.seal or has_line(card)) and not is_whole(card, _shown_version(name, manifest)):
        faults.append(f"{CARD} beside the versions was changed since it was published")
    return faults
