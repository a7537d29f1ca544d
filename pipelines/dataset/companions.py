"""The companions, the files beside a dataset's shards: which are ours, and which are missing and can be written again.

The ledger lists files that a build is writing. The manifest and seals within the files tell which were published. Any
other file of such a name is foreign: it is neither overwritten nor removed.
"""

import json
from collections.abc import Callable, Iterable, Mapping

from pyarrow import fs

from pipelines.dataset.ledger import COMPANIONS, DATASET_FILES, add_to_ledger, close_ledger, read_ledger, shard_paths
from pipelines.dataset.publish import hash_texts, is_report_intact, write_manifest, write_visible
from pipelines.dataset.seal import add_seal, is_page_intact, is_record_intact, sha256
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import Workspace
from schemas.evaluation import EVALUATION, EVALUATION_PAGE
from schemas.manifest import CROISSANT, MANIFEST, REPORT, Manifest

ALL_COMPANIONS = DATASET_FILES[1:]
"""All files beside the shards but the manifest."""
_EVALUATION = {"key", "content_hash", "utility"}
"""The keys that an evaluation of any version of makeweight has."""
_PAGE = b'<meta name="generator" content="makeweight'


def find_foreign_companions(
    workspace: Workspace, manifest: Manifest | None, names: Iterable[str] = ALL_COMPANIONS
) -> list[str]:
    """Return which of these files are there and not ours: of another program, or changed since they were published.

    Without a manifest only the files in the ledger are ours. Beside an older manifest, which lists no files, all files
    but evaluations are taken for ours.
    """
    known = read_ledger(workspace).beside
    return [
        name
        for name, data in _read_existing(workspace.output, names).items()
        if sha256(data) not in known.get(name, ())
        and not (manifest and _is_ours(workspace.output, name, data, manifest))
    ]


def _read_existing(folder: Folder, names: Iterable[str]) -> dict[str, bytes]:
    there = {info.base_name for info in folder.entries()}
    return {name: folder.read(name) for name in names if name in there}


def _is_ours(folder: Folder, name: str, data: bytes, manifest: Manifest) -> bool:
    if name == EVALUATION:
        return is_evaluation(data)
    if name == EVALUATION_PAGE:
        return is_evaluation_page(folder, data)
    if not manifest.files:
        return True
    if name == REPORT:
        return is_report_intact(data.decode(errors="replace"), manifest)
    return sha256(data) == manifest.files.get(name)


def is_evaluation(data: bytes) -> bool:
    """Whether this is an unchanged evaluation, of any version of makeweight and any dataset."""
    try:
        return json.loads(data).keys() >= _EVALUATION and is_record_intact(data)
    except (ValueError, AttributeError, RecursionError):
        return False


def is_evaluation_page(folder: Folder, data: bytes) -> bool:
    """Whether this is an unchanged page of an evaluation; pages of earlier versions of makeweight have no seal."""
    if is_page_intact(data.decode(errors="replace")):
        return True
    older = _read_existing(folder, [EVALUATION]).get(EVALUATION, b"")
    return is_evaluation(older) and not json.loads(older).get("seal") and _PAGE in data


def find_missing_companions(workspace: Workspace, manifest: Manifest) -> list[str]:
    """Return the published companions of a dataset that are missing."""
    there = {info.base_name for info in workspace.output.entries()}
    shown = (*COMPANIONS, *((EVALUATION_PAGE,) if EVALUATION in there else ()))
    return [name for name in shown if name not in there and (manifest.files or name != CROISSANT)]


def rewrite_missing_companions(
    workspace: Workspace, manifest: Manifest, describe: Callable[[Manifest], Mapping[str, str]]
) -> list[str]:
    """Write missing companions again from the manifest by `describe`; return in sentences which stay missing.

    Another version of makeweight may render them differently. So the manifest, which lists their hashes, is written
    first.
    """
    _remove_unpublished(workspace, manifest)
    missing = find_missing_companions(workspace, manifest)
    bare = manifest.model_copy(update={"files": {}, "seal": None})
    made = {name: text for name, text in describe(bare).items() if name in missing} if missing else {}
    files = manifest.files | hash_texts(made)
    if manifest.files != files and manifest.files:
        write_manifest(workspace, add_seal(manifest.model_copy(update={"files": files})))
    for name, text in made.items():
        write_visible(workspace, name, text.encode())
    gone = f"{workspace.output.shown}: {REPORT} is gone, and only a build from the beginning writes one"
    return [f"{gone}; give another output.path for that"] if REPORT in missing else []


def _remove_unpublished(workspace: Workspace, manifest: Manifest) -> None:
    """Remove companions of a build that was stopped before its switch: they overwrote those of this dataset."""
    known = read_ledger(workspace).beside
    for name, data in _read_existing(workspace.output, COMPANIONS).items():
        if sha256(data) in known.get(name, ()) and not _is_ours(workspace.output, name, data, manifest):
            workspace.output.remove(name)


def remove_dataset(workspace: Workspace, manifest: Manifest | None) -> None:
    """Remove a dataset, or the rest of one whose removal was begun: our files by manifest and ledger, nothing else."""
    strange = find_foreign_companions(workspace, manifest)
    ours = {
        name: sha256(data)
        for name, data in _read_existing(workspace.output, ALL_COMPANIONS).items()
        if name not in strange
    }
    add_to_ledger(workspace, shard_paths(manifest), ours)
    for name in (MANIFEST, *ours):
        workspace.output.remove(name)
    close_ledger(workspace, None)
    workspace.output.prune()


def is_special_file(folder: Folder, name: str) -> bool:
    """Whether the name is a pipe, socket or device, which cannot be read as a file."""
    return bool(folder.info(name).type == fs.FileType.Unknown)
