"""The fidelity of made rows of tables."""

from functools import partial

from pipelines.judge.fidelity.detector import detect
from pipelines.judge.fidelity.sides import Drawn, Sides
from pipelines.judge.tabular.evidence import of_table
from pipelines.judge.tabular.figures import table_figures
from schemas.fidelity import Fidelity, FidelityChoice
from schemas.manifest import Manifest


def fidelity(manifest: Manifest, drawn: Drawn, sides: Sides, _choice: FidelityChoice, seed: int) -> Fidelity:
    """Return the figures of a dataset; see `Modality.fidelity`."""
    found = detect(drawn, partial(of_table, manifest=manifest), seed)
    return Fidelity(origin=manifest.origin, groups=table_figures(sides, manifest), detectors=found)
