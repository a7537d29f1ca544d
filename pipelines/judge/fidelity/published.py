"""The fidelity of a dataset that lies in a folder: reads the source and the shards, and hands them to the measures."""

from collections.abc import Iterator

import pyarrow as pa

from pipelines.dataset.shards import open_shard
from pipelines.judge.fidelity.measure import measure_fidelity
from pipelines.modality import modality_of
from pipelines.source import read_source
from pipelines.source.exact import simple_rows
from pipelines.storage.encryption import Key
from pipelines.storage.folder import Folder
from schemas.fidelity import Fidelity, FidelityChoice
from schemas.manifest import Manifest
from schemas.plan import Plan
from schemas.spec import Source


def measure_published(
    source: Source, plan: Plan, choice: FidelityChoice, manifest: Manifest, dataset: Folder, key: Key | None
) -> Fidelity:
    """Return the figures of the dataset in `dataset`, a shard in memory at a time; `key` opens its shards.

    Of encrypted texts the words that give made ones away are not told: they are what shall stay secret.
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
