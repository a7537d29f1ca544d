"""The ledger: which files lie in an output that its manifest does not list. What neither lists is never removed.

It is written before a build puts its first file there, and names as well those of the dataset that the build is about
to replace. Once the manifest is switched, what the ledger names and the manifest does not is removed, and the ledger
last. So a build that is stopped at any point leaves a record of all that it left.
"""

from collections.abc import Iterable

from pydantic import ValidationError

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
    """What a ledger says: the shards that may be there, by their paths within the output."""

    shards: list[ShardPath]


def enlist(place: Workspace, shards: Iterable[str]) -> None:
    """Write down that these shards may be in the output from now on."""
    listed = Listed(shards=sorted({*enlisted(place), *shards}))
    place.hidden.write_sealed(_name(place), listed.model_dump_json().encode())


def enlisted(place: Workspace) -> set[str]:
    """Return the shards that may be in the output though its manifest does not list them."""
    try:
        return set(Listed.model_validate_json(place.hidden.read_sealed(_name(place))).shards)
    except (DamageError, ValidationError):  # what it listed is then a stranger, which is told where it lies
        return set()


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


def remove_dataset(place: Workspace, manifest: Manifest | None) -> None:
    """Remove a dataset, or what was left when that was begun: what manifest or ledger list, and nothing else."""
    enlist(place, shards_of(manifest))
    for name in WHOLE:
        place.output.remove(name)
    settle(place, None)
    place.output.prune()


def strangers(folder: Folder, known: Iterable[str]) -> list[str]:
    """Return the files in an output's data folder, at any depth, that are not among the known ones."""
    return sorted({f"{DATA}/{name}" for name in folder.at(DATA).names()} - set(known))


def _name(place: Workspace) -> str:
    return f"ledger-{place.version}.json" if place.version else "ledger.json"
