"""Publishes a finished build: its shards, card, report and Croissant file, and then the manifest, which is the switch.

A reader who goes by the manifest finds a whole dataset at every moment, the old one or the new one: shards bear names
that those of another build do not have, what is replaced goes after the switch, and each step may be done twice. On a
local disk shards are written to a hidden folder and renamed into place, so that a program that takes all files of the
data folder sees the new ones for as short a time as can be; on an object store they are written where they stay.
"""

from collections.abc import Mapping, Sequence
from uuid import uuid4

from pydantic import ValidationError

from pipelines.dataset.ledger import enlist, enlisted, shards_of
from pipelines.dataset.seal import is_whole, sha256, with_line, with_seal
from pipelines.fill.loop import StratumProgress
from pipelines.fit.fitting import model_fingerprint
from pipelines.plan.registry import generator_class
from pipelines.storage.folder import Folder
from pipelines.storage.libraries import library_versions
from pipelines.storage.workspace import SHOW, Workspace
from schemas.errors import OutputError
from schemas.manifest import DATA, MANIFEST, REPORT, ClassCounts, Manifest, Shard
from schemas.plan import Column, Plan
from schemas.privacy import Privacy
from schemas.versions import Base

_SEAL = "<!-- makeweight: content_hash and this page have the SHA-256 "


def make_manifest(
    plan: Plan, strata: Sequence[StratumProgress], shards: Sequence[Shard], content_hash: str
) -> Manifest:
    """Return the manifest of a build whose classes are all full."""
    return Manifest(
        name=plan.name,
        spec_fingerprint=plan.spec_fingerprint,
        source_fingerprint=plan.profile.fingerprint,
        seed=plan.seed,
        modality=plan.modality,
        by=plan.by,
        label=plan.label,
        generator=plan.generator.name,
        origin=generator_class(plan.generator.name).capabilities.origin,
        model_fingerprint=model_fingerprint(plan) if plan.makes_rows else None,
        columns=_shown_columns(plan),
        counts={s.name: ClassCounts(real=s.keep, synthetic=s.make, target=s.target) for s in plan.strata},
        class_values=plan.class_values,
        source_counts={s.name: s.real for s in plan.strata},
        rejections={s.name: dict(s.rejected) for s in strata},
        attempts={s.name: s.candidates for s in strata},
        shards=list(shards),
        content_hash=content_hash,
        versions=library_versions(),
        outside=plan.outside,
        machine=plan.machine if plan.makes_rows else None,
        boxes=plan.boxes,  # made images hold just what their stratum says, which a validator sees to
        images=plan.profile.images,
        encryption_key_env=plan.key_env,
        version=plan.version,
        base=plan.base and _base(plan.base, strata),
    )


def _base(base: Base, strata: Sequence[StratumProgress]) -> Base:
    carried = {stratum.name: stratum.carried for stratum in strata if stratum.carried}
    dropped = {stratum.name: dict(stratum.dropped) for stratum in strata if stratum.dropped}
    return base.model_copy(update={"carried": carried, "dropped": dropped})


def _shown_columns(plan: Plan) -> list[Column]:
    """Return the columns without the look of ids and steps; of an encrypted dataset without values: it is plain."""
    hidden: dict[str, None] = {"form": None, "grid": None}
    if plan.key_env is not None:
        hidden |= dict.fromkeys(("minimum", "maximum", "categories"))
    return [column.model_copy(update=hidden) for column in plan.profile.columns]


def read_manifest(folder: Folder) -> Manifest | None:
    """Return the manifest of a complete dataset, or nothing if there is none."""
    try:
        return Manifest.model_validate_json(folder.read(MANIFEST))
    except FileNotFoundError:
        return None
    except ValueError as error:
        problem = f"{folder.shown}/{MANIFEST} is not a manifest of makeweight: {_first_fault(error)}"
        raise OutputError(f"{problem}; put the right one back, or give another output.path") from error


def _first_fault(error: ValueError) -> str:
    """Return in one line what pydantic found first."""
    if not isinstance(error, ValidationError):
        return str(error)
    fault = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, fault['loc'])) or 'its text'}: {fault['msg']}"


def is_build_of(manifest: Manifest, plan: Plan) -> bool:
    """Whether the dataset is what the plan would build."""
    return not difference(manifest, plan)


def difference(manifest: Manifest, plan: Plan) -> str:
    """Say in what the dataset is another one than the plan would build; nothing if it is that one."""
    if asked(manifest) != (plan.spec_fingerprint, plan.privacy):
        return "of another spec"
    if manifest.source_fingerprint != plan.profile.fingerprint:
        return "of another source"
    other = sorted(name for name, found in plan.outside.items() if manifest.outside.get(name) != found)
    if other:
        return f"made with another {', '.join(other)}, or with one that was not written down"
    return "made with code or models of its own" if manifest.outside != plan.outside else ""


def asked(manifest: Manifest) -> tuple[str, Privacy | None]:
    """Return what its spec asked for; the privacy gate's limits are no part of the fingerprint."""
    return manifest.spec_fingerprint, manifest.privacy.asked if manifest.privacy else None


def publishing_folder(place: Workspace) -> Folder:
    """Return where shards are written: hidden where files can be renamed, else in place."""
    return place.work.at("publish") if place.output.renames else place.output


def shard_tag(plan: Plan, place: Workspace) -> str:
    """Return what the names of this build's shards end with: other bytes never come under a name that is taken.

    The same build gives the same bytes, and so goes by its own key. Encrypted shards differ each time they are written.
    """
    return uuid4().hex[:16] if plan.key_env else place.key


def begin_shards(place: Workspace, shards: Sequence[str]) -> None:
    """Clear away what builds that were killed have left, and write down which files will be there from now on."""
    manifest, mine = read_manifest(place.output), set(shards)
    if place.output.renames:
        publishing_folder(place).at(DATA).remove()
    for path in sorted(enlisted(place) - shards_of(manifest) - mine):
        place.output.remove(path)
    enlist(place, mine | shards_of(manifest))


def publish(place: Workspace, manifest: Manifest, companions: Mapping[str, str], report: str) -> Manifest:
    """Switch the output to the new dataset, and return its manifest as it is published; may be done again.

    `companions` are the texts that tell what it is, by their names; the manifest lists their hashes.
    What was there before stays until `settle`: nobody looks for it any more, but a reader may be in the middle of it.
    """
    folder = publishing_folder(place)
    whole = with_seal(manifest.model_copy(update={"files": hashes(companions)}))
    beside = {**companions, REPORT: sealed(report, manifest)}
    enlist(place, shards_of(manifest), hashes(beside))
    for shard in manifest.shards:
        _show(folder, place.output, shard.path)
    for name, text in beside.items():
        put(place, name, text.encode())
    put_manifest(place, whole)
    return whole


def put_manifest(place: Workspace, manifest: Manifest) -> None:
    """Write the manifest, by which readers find all else."""
    put(place, MANIFEST, manifest.model_dump_json(indent=2).encode() + b"\n")


def put(place: Workspace, name: str, data: bytes, folder: Folder | None = None) -> None:
    """Write a file that readers see. It has no temporary name there, which a kill would leave among their files."""
    target = folder or place.output
    if not target.renames:
        target.write(name, data)
        return
    aside = place.hidden.at(SHOW)
    aside.write(name, data)
    aside.move(name, target)


def sealed(report: str, manifest: Manifest) -> str:
    """Return the report with its own hash below it.

    It tells how long each step took, so that its hash cannot stand in the manifest, which is the same for all builds.
    """
    return with_line(report, manifest.content_hash, _SEAL)


def is_sealed(report: str, manifest: Manifest) -> bool:
    """Whether a report is just what was published with the dataset of this manifest."""
    return is_whole(report, manifest.content_hash, _SEAL)


def _show(folder: Folder, output: Folder, name: str) -> None:
    if folder != output:
        folder.move(name, output)


def hashes(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the SHA-256 of each text by its name."""
    return {name: sha256(text.encode()) for name, text in texts.items()}
