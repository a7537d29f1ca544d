"""Publishes a finished build: its shards, card, report and Croissant file, and then the manifest, which is the switch.

Whoever reads by the manifest finds a whole dataset at every moment, the old one or the new one. Shards of two builds
never have the same name, replaced files are removed after the switch, and each step may be done twice. On a local disk
shards are written to a hidden folder, and renamed into the data folder at the end; so a program that takes all files of
the data folder sees both builds only for a short time. On an object store they are written where they stay.
"""

from collections.abc import Mapping, Sequence
from uuid import uuid4

from pydantic import ValidationError

from pipelines.dataset.ledger import add_to_ledger, read_ledger_shards, shard_paths
from pipelines.dataset.seal import add_seal, is_page_intact, seal_page, sha256
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
        columns=_public_columns(plan),
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
        base=plan.base and _complete_base(plan.base, strata),
    )


def _complete_base(base: Base, strata: Sequence[StratumProgress]) -> Base:
    carried = {stratum.name: stratum.carried for stratum in strata if stratum.carried}
    dropped = {stratum.name: dict(stratum.dropped) for stratum in strata if stratum.dropped}
    return base.model_copy(update={"carried": carried, "dropped": dropped})


def _public_columns(plan: Plan) -> list[Column]:
    """Return the columns as the manifest shows them: without form and grid.

    The manifest is not encrypted, so that of an encrypted dataset holds no values either.
    """
    hidden: dict[str, None] = {"form": None, "grid": None}
    if plan.key_env is not None:
        hidden |= dict.fromkeys(("minimum", "maximum", "categories"))
    return [column.model_copy(update=hidden) for column in plan.profile.columns]


def read_manifest(folder: Folder) -> Manifest | None:
    """Return the manifest of the dataset in a folder, or None if there is no complete one.

    Raises OutputError if the file is no manifest.

    Example: `read_manifest(Folder("tumours-balanced")).counts`.
    """
    try:
        return Manifest.model_validate_json(folder.read(MANIFEST))
    except FileNotFoundError:
        return None
    except ValueError as error:
        problem = f"{folder.shown}/{MANIFEST} is not a manifest of makeweight: {_describe_fault(error)}"
        raise OutputError(f"{problem}; put the right one back, or give another output.path") from error


def _describe_fault(error: ValueError) -> str:
    """Return the first fault that pydantic found, in one line."""
    if not isinstance(error, ValidationError):
        return str(error)
    fault = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, fault['loc'])) or 'its text'}: {fault['msg']}"


def is_build_of(manifest: Manifest, plan: Plan) -> bool:
    """Whether the dataset is the one that the plan would build."""
    return not describe_difference(manifest, plan)


def describe_difference(manifest: Manifest, plan: Plan) -> str:
    """Say how the dataset differs from the one that the plan would build; an empty text if it does not."""
    if requested_identity(manifest) != (plan.spec_fingerprint, plan.privacy):
        return "of another spec"
    if manifest.source_fingerprint != plan.profile.fingerprint:
        return "of another source"
    other = sorted(name for name, found in plan.outside.items() if manifest.outside.get(name) != found)
    if other:
        return f"made with another {', '.join(other)}, or with one that was not written down"
    return "made with code or models of its own" if manifest.outside != plan.outside else ""


def requested_identity(manifest: Manifest) -> tuple[str, Privacy | None]:
    """Return the fingerprint of a dataset's spec, and the limits of its privacy gate, which are no part of that."""
    return manifest.spec_fingerprint, manifest.privacy.asked if manifest.privacy else None


def publishing_folder(workspace: Workspace) -> Folder:
    """Return the folder that shards are written to: a hidden one if files can be renamed, else the output."""
    return workspace.work.at("publish") if workspace.output.renames else workspace.output


def shard_tag(plan: Plan, workspace: Workspace) -> str:
    """Return the end of the names of this build's shards, so that two different shards never have one name.

    The same build writes the same bytes, so its key serves. Encrypted shards differ each time they are written.
    """
    return uuid4().hex[:16] if plan.key_env else workspace.key


def register_shards(workspace: Workspace, shards: Sequence[str]) -> None:
    """Remove the shards that killed builds have left, and add this build's shards to the ledger."""
    manifest, mine = read_manifest(workspace.output), set(shards)
    if workspace.output.renames:
        publishing_folder(workspace).at(DATA).remove()
    for path in sorted(read_ledger_shards(workspace) - shard_paths(manifest) - mine):
        workspace.output.remove(path)
    add_to_ledger(workspace, mine | shard_paths(manifest))


def publish_dataset(workspace: Workspace, manifest: Manifest, companions: Mapping[str, str], report: str) -> Manifest:
    """Switch the output to the new dataset, and return its manifest as published. May be done again.

    `companions` are the texts of card and Croissant file by file name; the manifest lists their hashes. Files of the
    dataset before stay until `close_ledger`, since somebody may be reading them.
    """
    folder = publishing_folder(workspace)
    whole = add_seal(manifest.model_copy(update={"files": hash_texts(companions)}))
    beside = {**companions, REPORT: seal_report(report, manifest)}
    add_to_ledger(workspace, shard_paths(manifest), hash_texts(beside))
    for shard in manifest.shards:
        _move_to_output(folder, workspace.output, shard.path)
    for name, text in beside.items():
        write_visible(workspace, name, text.encode())
    write_manifest(workspace, whole)
    return whole


def write_manifest(workspace: Workspace, manifest: Manifest) -> None:
    """Write the manifest, by which readers find all other files."""
    write_visible(workspace, MANIFEST, manifest.model_dump_json(indent=2).encode() + b"\n")


def write_visible(workspace: Workspace, name: str, data: bytes, folder: Folder | None = None) -> None:
    """Write a file into the output, or into `folder`, where readers see it.

    Its temporary name is in a hidden folder: a killed build leaves no half file among the readers' files.
    """
    target = folder or workspace.output
    if not target.renames:
        target.write(name, data)
        return
    aside = workspace.hidden.at(SHOW)
    aside.write(name, data)
    aside.move(name, target)


def seal_report(report: str, manifest: Manifest) -> str:
    """Return the report with a seal as its last line.

    The report says how long each step took. So its hash cannot stand in the manifest, which two equal builds share.
    """
    return seal_page(report, manifest.content_hash, _SEAL)


def is_report_intact(report: str, manifest: Manifest) -> bool:
    """Whether a report is the one that was published with this manifest, unchanged."""
    return is_page_intact(report, manifest.content_hash, _SEAL)


def _move_to_output(folder: Folder, output: Folder, name: str) -> None:
    if folder != output:
        folder.move(name, output)


def hash_texts(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the SHA-256 of each text by its name."""
    return {name: sha256(text.encode()) for name, text in texts.items()}
