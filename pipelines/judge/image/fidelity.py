"""The fidelity and diversity of made images."""

from dataclasses import replace
from functools import partial

from pipelines.judge.fidelity.detector import detect
from pipelines.judge.fidelity.pairs import pairs
from pipelines.judge.fidelity.sides import Drawn, Sides
from pipelines.judge.image.evidence import of_images
from pipelines.judge.image.figures import image_figures, open_eye
from pipelines.judge.image.pairs import image_pairs
from pipelines.modality import content_column
from schemas.fidelity import Fidelity, FidelityChoice, FigureGroup
from schemas.manifest import Manifest

IMAGE_BYTES = 1 << 27
"""The most bytes of encoded images on each side; while they are drawn, some ten times as many are in memory."""


def rows_looked_at(manifest: Manifest, choice: FidelityChoice) -> int:
    """Return how many images are drawn for each side: fewer where they are large."""
    bytes_per_row = sum(shard.bytes for shard in manifest.shards) / max(1, manifest.rows)
    return max(50, min(choice.images, int(IMAGE_BYTES / max(1.0, bytes_per_row))))


def fidelity(manifest: Manifest, drawn: Drawn, sides: Sides, choice: FidelityChoice, seed: int) -> Fidelity:
    """Return the figures of a dataset; see `Modality.fidelity`."""
    column = str(content_column(manifest.columns))
    notes: list[str] = []
    groups: list[FigureGroup | None] = []
    eye = open_eye(drawn, sides, manifest, column, choice.image_model)
    if eye is None:
        notes.append(
            "FID and its like need an image model here (evaluate.fidelity.image_model): there are no classes of"
            " whole images that one could be fitted on."
        )
    elif sides.rows > 1:
        groups.append(image_figures(eye, sides, column))
    matched = pairs(drawn, column, seed)
    groups.append(image_pairs(matched) if matched else None)
    new = drawn if choice.image_model else replace(drawn, real=sides.real)  # the classifier learnt from the others
    detectors = detect(new, partial(of_images, column=column, eye=eye), seed) if eye else []
    present = [group for group in groups if group]
    return Fidelity(origin=manifest.origin, groups=present, detectors=detectors, notes=notes)
