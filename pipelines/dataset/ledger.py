"""The ledger: our files in an output that its manifest does not list. A file that neither lists is never removed.

The ledger is written before a build puts its first file into the output. It also names the files of the dataset that
the build replaces. Once the manifest is switched, all files that only the ledger names are removed, and the ledger
last. So a build that is stopped at any point leaves a record of all its files.
"""

from collections.abc import Iterable, Mapping

from pydantic import Field, ValidationError

from pipelines.storage.folder import Folder
from pipelines.storage.workspace import Workspace
from schemas.base import Noun
from schemas.errors import DamageError
from schemas.evaluation import EVALUATION, EVALUATION_PAGE
from schemas.manifest import CARD, CROISSANT, DATA, MANIFEST, REPORT, Manifest, ShardPath

COMPANIONS = (CARD, REPORT, CROISSANT)
"""The files beside the shards of every dataset."""
DATASET_FILES = (MANIFEST, *COMPANIONS, EVALUATION, EVALUATION_PAGE)
"""All files that a dataset may have beside its shards. The manifest says that it is complete; it is removed first."""


class Ledger(Noun):
    """Files that may be in the output: the paths of shards, and `beside`, the files beside them.

    `beside` maps a file's name to the SHA-256 of each text that it may hold.
    """

    shards: list[ShardPath]
    beside: dict[str, list[str]] = Field({})


def add_to_ledger(workspace: Workspace, shards: Iterable[str], beside: Mapping[str, str] | None = None) -> None:
    """Add shards, and files `beside` them with their SHA-256, before they are written to the output."""
    before = read_ledger(workspace)
    texts = {name: set(found) for name, found in before.beside.items()}
    for name, text in (beside or {}).items():
        texts.setdefault(name, set()).add(text)
    now = Ledger(shards=sorted({*before.shards, *shards}), beside={name: sorted(texts[name]) for name in sorted(texts)})
    workspace.hidden.write_sealed(_file_name(workspace), now.model_dump_json().encode())


def read_ledger(workspace: Workspace) -> Ledger:
    """Return the ledger of an output; an empty one if there is none, or if it cannot be read."""
    try:
        return Ledger.model_validate_json(workspace.hidden.read_sealed(_file_name(workspace)))
    except (DamageError, ValidationError):  # its files then count as foreign, and builds say where they lie
        return Ledger(shards=[])


def read_ledger_shards(workspace: Workspace) -> set[str]:
    """Return the paths of all shards in the ledger."""
    return set(read_ledger(workspace).shards)


def has_ledger(workspace: Workspace) -> bool:
    """Whether there is a ledger: a build has begun to write into the output, and has not finished."""
    return workspace.hidden.exists(_file_name(workspace))


def close_ledger(workspace: Workspace, manifest: Manifest | None) -> None:
    """Remove the shards that the ledger lists and the manifest does not, then the ledger. May be done again."""
    for path in sorted(read_ledger_shards(workspace) - shard_paths(manifest)):
        workspace.output.remove(path)
    workspace.output.at(DATA).prune()
    workspace.hidden.remove(_file_name(workspace))


def shard_paths(manifest: Manifest | None) -> set[str]:
    """Return the paths of a dataset's shards; an empty set if there is no manifest."""
    return {shard.path for shard in manifest.shards} if manifest else set()


def find_foreign_data(folder: Folder, known: Iterable[str]) -> list[str]:
    """Return all paths below an output's data folder that are not among the known ones, links and pipes too."""
    return sorted({f"{DATA}/{name}" for name in folder.at(DATA).all_names()} - set(known))


def _file_name(workspace: Workspace) -> str:
    return f"ledger-{workspace.version}.json" if workspace.version else "ledger.json"
