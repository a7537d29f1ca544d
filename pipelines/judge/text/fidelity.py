"""Measures the fidelity and diversity of made texts."""

from functools import partial

from pipelines.judge.fidelity.detector import detect
from pipelines.judge.fidelity.pairs import pairs
from pipelines.judge.fidelity.sides import Drawn, Sides
from pipelines.judge.text.evidence import of_texts
from pipelines.judge.text.figures import text_figures
from pipelines.judge.text.pairs import text_pairs
from pipelines.modality import content_column
from schemas.fidelity import Fidelity, FidelityChoice, FigureGroup
from schemas.manifest import Manifest


def fidelity(manifest: Manifest, drawn: Drawn, sides: Sides, choice: FidelityChoice, seed: int) -> Fidelity:
    """Return the figures of a dataset; see `Modality.fidelity`."""
    column = str(content_column(manifest.columns))
    groups: list[FigureGroup] = [text_figures(sides, column, choice.language_model)]
    found = pairs(drawn, column, seed)
    groups += [text_pairs(found)] if found else []
    detectors = detect(drawn, partial(of_texts, column=column), seed)
    return Fidelity(origin=manifest.origin, groups=groups, detectors=detectors)
