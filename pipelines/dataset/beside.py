"""What lies beside a dataset's shards: whether it is ours, and what of it is gone and can be written again.

The ledger tells of files that are being put there, the manifest and the files' own seals of those that were published.
A file that bears such a name and is none of these is somebody else's: nothing is written over it, nor is it removed.
"""

import json
from collections.abc import Callable, Iterable, Mapping

from pyarrow import fs

from pipelines.dataset.ledger import COMPANIONS, WHOLE, enlist, listed, settle, shards_of
from pipelines.dataset.publish import hashes, is_sealed, put, put_manifest
from pipelines.dataset.seal import is_unbroken, is_whole, sha256, with_seal
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import Workspace
from schemas.evaluation import EVALUATION, EVALUATION_PAGE
from schemas.manifest import CROISSANT, MANIFEST, REPORT, Manifest

BESIDE = WHOLE[1:]
"""All but the manifest itself."""
_EVALUATION = {"key", "content_hash", "utility"}
"""Keys by which an evaluation of any version is known."""
_PAGE = b'<meta name="generator" content="makeweight'


def strange_beside(place: Workspace, manifest: Manifest | None, names: Iterable[str] = BESIDE) -> list[str]:
    """Return which of these names are there and not ours: another's, or changed since they were published.

    Beside no dataset only what the ledger lists is ours; of older manifests, which list no files, all but evaluations.
    """
    known = listed(place).beside
    return [
        name
        for name, data in _there(place.output, names).items()
        if sha256(data) not in known.get(name, ()) and not (manifest and _is_ours(place.output, name, data, manifest))
    ]


def _there(folder: Folder, names: Iterable[str]) -> dict[str, bytes]:
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
        return is_sealed(data.decode(errors="replace"), manifest)
    return sha256(data) == manifest.files.get(name)


def is_evaluation(data: bytes) -> bool:
    """Whether this is an evaluation, of whatever version and dataset, as it was written."""
    try:
        return json.loads(data).keys() >= _EVALUATION and is_unbroken(data)
    except (ValueError, AttributeError, RecursionError):
        return False


def is_evaluation_page(folder: Folder, data: bytes) -> bool:
    """Whether this is an evaluation's page as it was written; those of earlier versions bear no seal."""
    if is_whole(data.decode(errors="replace")):
        return True
    older = _there(folder, [EVALUATION]).get(EVALUATION, b"")
    return is_evaluation(older) and not json.loads(older).get("seal") and _PAGE in data


def missing_beside(place: Workspace, manifest: Manifest) -> list[str]:
    """Return what a dataset has lost of what was published beside its shards."""
    there = {info.base_name for info in place.output.entries()}
    shown = (*COMPANIONS, *((EVALUATION_PAGE,) if EVALUATION in there else ()))
    return [name for name in shown if name not in there and (manifest.files or name != CROISSANT)]


def write_again(place: Workspace, manifest: Manifest, describe: Callable[[Manifest], Mapping[str, str]]) -> list[str]:
    """Write what `describe` makes of a manifest again where it is gone; return what stays gone, in words.

    Another version of makeweight may write them otherwise: so the manifest, which lists their hashes, goes first.
    """
    _drop_others(place, manifest)
    missing = missing_beside(place, manifest)
    bare = manifest.model_copy(update={"files": {}, "seal": None})
    made = {name: text for name, text in describe(bare).items() if name in missing} if missing else {}
    files = manifest.files | hashes(made)
    if manifest.files != files and manifest.files:
        put_manifest(place, with_seal(manifest.model_copy(update={"files": files})))
    for name, text in made.items():
        put(place, name, text.encode())
    gone = f"{place.output.shown}: {REPORT} is gone, and only a build from the beginning writes one"
    return [f"{gone}; give another output.path for that"] if REPORT in missing else []


def _drop_others(place: Workspace, manifest: Manifest) -> None:
    """Remove what a build that was stopped before its switch had put in the place of this dataset's own texts."""
    known = listed(place).beside
    for name, data in _there(place.output, COMPANIONS).items():
        if sha256(data) in known.get(name, ()) and not _is_ours(place.output, name, data, manifest):
            place.output.remove(name)


def remove_dataset(place: Workspace, manifest: Manifest | None) -> None:
    """Remove a dataset, or what was left when that was begun: what is ours by manifest or ledger, and nothing else."""
    strange = strange_beside(place, manifest)
    ours = {name: sha256(data) for name, data in _there(place.output, BESIDE).items() if name not in strange}
    enlist(place, shards_of(manifest), ours)
    for name in (MANIFEST, *ours):
        place.output.remove(name)
    settle(place, None)
    place.output.prune()


def is_pipe(folder: Folder, name: str) -> bool:
    """Whether a pipe, socket or device lies there, which cannot be read as a file."""
    return bool(folder.info(name).type == fs.FileType.Unknown)
