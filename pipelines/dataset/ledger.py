"""The ledger: which files lie in an output that its manifest does not list. What neither lists is never removed.

It is written before a build puts its first file there, and names as well those of the dataset that the build is about
to replace. Once the manifest is switched, what the ledger names and the manifest does not is removed, and the ledger
last. So a build that is stopped at any point leaves a record of all that it left.
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
"""What lies beside the shards of every dataset."""
WHOLE = (MANIFEST, *COMPANIONS, EVALUATION, EVALUATION_PAGE)
"""All that a dataset may have beside its shards; the first says that it is complete, and goes first."""


class Listed(Noun):
    """What a ledger says: the shards that may be there, by their paths within the output.

    `beside` holds, by the name of a file beside them, the SHA-256 of each text that may be there.
    """

    shards: list[ShardPath]
    beside: dict[str, list[str]] = Field({})


def enlist(place: Workspace, shards: Iterable[str], beside: Mapping[str, str] | None = None) -> None:
    """Write down that these shards, and files beside them with these hashes, may be in the output from now on."""
    before = listed(place)
    texts = {name: set(found) for name, found in before.beside.items()}
    for name, text in (beside or {}).items():
        texts.setdefault(name, set()).add(text)
    now = Listed(shards=sorted({*before.shards, *shards}), beside={name: sorted(texts[name]) for name in sorted(texts)})
    place.hidden.write_sealed(_name(place), now.model_dump_json().encode())


def listed(place: Workspace) -> Listed:
    """Return what the ledger says; nothing where there is none."""
    try:
        return Listed.model_validate_json(place.hidden.read_sealed(_name(place)))
    except (DamageError, ValidationError):  # what it listed is then a stranger, which is told where it lies
        return Listed(shards=[])


def enlisted(place: Workspace) -> set[str]:
    """Return the shards that may be in the output though its manifest does not list them."""
    return set(listed(place).shards)


def is_open(place: Workspace) -> bool:
    """Whether a build has begun to put files into the output, and not come to its end."""
    return place.hidden.exists(_name(place))


def settle(place: Workspace, manifest: Manifest | None) -> None:
    """Remove what is listed and not in the manifest, then the ledger; may be done any number of times."""
    for path in sorted(enlisted(place) - shards_of(manifest)):
        place.output.remove(path)
    place.output.at(DATA).prune()
    place.hidden.remove(_name(place))


def shards_of(manifest: Manifest | None) -> set[str]:
    """Return the paths of a dataset's shards; none where there is no dataset."""
    return {shard.path for shard in manifest.shards} if manifest else set()


def strangers(folder: Folder, known: Iterable[str]) -> list[str]:
    """Return what is in an output's data folder, at any depth, and not among the known files; links and pipes too."""
    return sorted({f"{DATA}/{name}" for name in folder.at(DATA).all_names()} - set(known))


def _name(place: Workspace) -> str:
    return f"ledger-{place.version}.json" if place.version else "ledger.json"
