"""The fidelity and diversity of a dataset's made rows. Pure: the same rows and seed give the same figures."""

from collections.abc import Iterable

import pyarrow as pa

from pipelines.judge.fidelity.sides import draw, even_sides
from pipelines.modality import load_part, modality_of_columns
from pipelines.plan.seeds import derive_seed
from schemas.fidelity import Fidelity, FidelityChoice
from schemas.manifest import Manifest


def measure_fidelity(
    manifest: Manifest,
    real: Iterable[pa.Table],
    published: Iterable[pa.Table],
    choice: FidelityChoice | None = None,
) -> Fidelity:
    """Return how like real rows the made ones are, how diverse, and how surely a classifier tells them.

    `real` streams the source's rows with their `_row` (as `read_source` and `RealRows` yield them), `published` those
    of the shards. Both are drawn from evenly. Raises MakeweightError where a model that is named cannot be had.
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
