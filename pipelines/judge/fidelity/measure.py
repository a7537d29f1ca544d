"""Measures the fidelity and diversity of a dataset's made rows. The same rows and seed give the same figures.

`measure_fidelity` takes the rows; `measure_published` reads those of the source and of a dataset in a folder.
"""

from collections.abc import Iterable, Iterator

import pyarrow as pa

from pipelines.dataset.shards import open_shard
from pipelines.judge.fidelity.sides import draw, even_sides
from pipelines.modality import load_part, modality_of, modality_of_columns
from pipelines.plan.seeds import derive_seed
from pipelines.source import read_source
from pipelines.source.stored_types import simple_rows
from pipelines.storage.encryption import Key
from pipelines.storage.folder import Folder
from schemas.fidelity import Fidelity, FidelityChoice
from schemas.manifest import Manifest
from schemas.plan import Plan
from schemas.spec import Source


def measure_fidelity(
    manifest: Manifest,
    real: Iterable[pa.Table],
    published: Iterable[pa.Table],
    choice: FidelityChoice | None = None,
) -> Fidelity:
    """Return how similar made rows are to real ones, how diverse, and how well a classifier distinguishes them.

    `real` streams the source's rows with their `_row` (as `read_source` and `RealRows` yield them), `published` the
    rows of the shards. Rows are drawn evenly from both. Raises MakeweightError if a chosen model is not available.
    """
    choice = choice or FidelityChoice()
    seed = derive_seed(manifest.seed, "fidelity")
    modality = modality_of_columns(manifest.columns)
    rows = load_part(modality.fidelity_rows)(manifest, choice) if modality.fidelity_rows else choice.rows
    drawn = draw(manifest, real, published, rows, seed, whole=modality.fidelity_whole)
    sides = even_sides(drawn, rows, seed)
    if not sides.rows:
        why = "No class has both made rows and two real ones to compare with."
        return Fidelity(origin=manifest.origin, groups=[], detectors=[], notes=[why])
    found: Fidelity = load_part(modality.fidelity)(manifest, drawn, sides, choice, seed)
    return found


def measure_published(
    source: Source, plan: Plan, choice: FidelityChoice, manifest: Manifest, dataset: Folder, key: Key | None
) -> Fidelity:
    """Return the figures of the dataset in `dataset` with one shard in memory at a time; `key` decrypts shards.

    For encrypted texts, the words that distinguish made texts are left out, since they shall stay secret.
    """
    real = read_source(source, plan.profile)
    found = measure_fidelity(manifest, real, _shards(manifest, dataset, key), choice)
    if key is None or not modality_of(plan).secret_tells:
        return found
    silent = [detector.model_copy(update={"tells": {}}) for detector in found.detectors]
    return found.model_copy(update={"detectors": silent})


def _shards(manifest: Manifest, dataset: Folder, key: Key | None) -> Iterator[pa.Table]:
    for shard in manifest.shards:
        yield simple_rows(open_shard(dataset, shard, key).read(), manifest.columns)
