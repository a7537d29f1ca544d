"""Publishes a finished build: card, report, Croissant file and manifest beside the shards, the manifest last.

On a local disk all is written to a hidden folder and renamed into place at the end; elsewhere the manifest alone
says that a dataset is complete.
"""

import os
from collections.abc import Callable, Sequence

from pyarrow import fs

from pipelines.croissant import render_croissant
from pipelines.fill import StratumProgress
from pipelines.fit import model_fingerprint
from pipelines.libraries import library_versions
from pipelines.registry import generator_class
from pipelines.storage import Folder, explained, is_uri
from pipelines.workspace import HIDDEN, VERSION, Workspace
from schemas.errors import OutputError
from schemas.manifest import MANIFEST, ClassCounts, Manifest, Shard
from schemas.plan import Column, Plan
from schemas.privacy import Privacy
from schemas.versions import Base

CARD, REPORT, CROISSANT, DATA = "README.md", "report.html", "croissant.json", "data"
LATEST, SITE = "latest.json", "index.html"
"""What may lie beside the versions of a dataset: the name of the newest, and a page over all; then also a card."""


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
        origin=generator_class(plan.generator.name).origin,
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
    """Return the columns; of an encrypted dataset without their values, since the manifest is plain."""
    if plan.key_env is None:
        return plan.profile.columns
    hidden = {"minimum": None, "maximum": None, "categories": None}
    return [column.model_copy(update=hidden) for column in plan.profile.columns]


def read_manifest(folder: Folder) -> Manifest | None:
    """Return the manifest of a complete dataset, or nothing if there is none."""
    if not folder.exists(MANIFEST):
        return None
    try:
        return Manifest.model_validate_json(folder.read(MANIFEST))
    except ValueError as error:
        raise OutputError(f"{folder.shown}/{MANIFEST} is not a manifest of makeweight: {error}") from error


def check_output(plan: Plan, place: Workspace, replace: bool) -> Manifest | None:
    """Return the manifest if this very build is complete already, nothing if the output is free.

    Raises OutputError when the folder holds another build and `replace` is not set, or anything that is not
    makeweight's.
    """
    manifest = read_manifest(place.output)
    if manifest is None:
        _refuse_foreign(place)
        return None
    if is_build_of(manifest, plan):
        return manifest
    if place.series:
        raise OutputError(f"{place.output.shown} was just published by another build; run the same command again")
    if replace:
        return None
    differs = _difference(manifest, plan)
    raise OutputError(
        f"{place.output.shown} holds another build ({manifest.name!r}, {manifest.rows:,} rows, {differs}); "
        "give another output.path, or --replace to put this build in its place"
    )


def is_build_of(manifest: Manifest, plan: Plan) -> bool:
    """Whether the dataset is what the plan would build."""
    return not _difference(manifest, plan)


def _difference(manifest: Manifest, plan: Plan) -> str:
    """Say in what the dataset is another one than the plan would build; nothing if it is that one."""
    if _asked(manifest) != (plan.spec_fingerprint, plan.privacy):
        return "of another spec"
    if manifest.source_fingerprint != plan.profile.fingerprint:
        return "of another source"
    other = sorted(name for name, found in plan.outside.items() if manifest.outside.get(name) != found)
    if other:
        return f"made with another {', '.join(other)}, or with one that was not written down"
    return "made with code or models of its own" if manifest.outside != plan.outside else ""


def _asked(manifest: Manifest) -> tuple[str, Privacy | None]:
    """Return what its spec asked for; the privacy gate's limits are no part of the fingerprint."""
    return manifest.spec_fingerprint, manifest.privacy.asked if manifest.privacy else None


def _refuse_foreign(place: Workspace) -> None:
    ours = {DATA, CARD, REPORT, CROISSANT} if place.hidden.exists() else set()
    _refuse_others(place.output, lambda name: name in {HIDDEN, *ours})
    if place.series:
        beside = {HIDDEN, LATEST, SITE, *([CARD] if place.series.exists(LATEST) else [])}
        _refuse_others(place.series, lambda name: name in beside or bool(VERSION.fullmatch(name)))


def _refuse_others(folder: Folder, ours: Callable[[str], bool]) -> None:
    with explained(folder.shown):
        found = folder.filesystem.get_file_info(fs.FileSelector(folder.inner(), allow_not_found=True))
    foreign = sorted(info.base_name for info in found if not ours(info.base_name))
    if foreign:
        listed = ", ".join(map(repr, foreign[:3]))
        raise OutputError(f"{folder.shown} is not empty (it holds {listed}); give an empty or new output.path")


def publishing_folder(place: Workspace) -> Folder:
    """Return where shards are written: hidden on a local disk, in place on an object store, which cannot rename."""
    return place.output if is_uri(place.output.path) else place.work.at("publish")


def cleared_folder(place: Workspace) -> Folder:
    """Return the same folder without what another build, or a killed one, wrote there.

    In place, the manifest goes first: it would tell of shards that are overwritten one by one.
    """
    folder = publishing_folder(place)
    folder.remove(MANIFEST)
    folder.at(DATA).remove()
    return folder


def publish(place: Workspace, manifest: Manifest, card: str, report: str) -> None:
    """Make the dataset visible, whole, with the manifest last; whatever was in its place is gone."""
    folder = publishing_folder(place)
    folder.write(CARD, card.encode())
    folder.write(REPORT, report.encode())
    folder.write(CROISSANT, render_croissant(manifest).encode())
    folder.write(MANIFEST, manifest.model_dump_json(indent=2).encode() + b"\n")
    if folder != place.output:
        _move(folder, place.output)


def _move(folder: Folder, output: Folder) -> None:
    """Rename all into place. The output never holds a file under a temporary name, which a kill would leave there."""
    with explained(output.shown):
        os.makedirs(output.inner(), exist_ok=True)
        output.remove(MANIFEST)
        for name in (DATA, CARD, REPORT, CROISSANT, MANIFEST):
            output.remove(name)
            os.replace(folder.inner(name), output.inner(name))
