"""The fidelity and diversity of a dataset's made rows. Pure: the same rows and seed give the same figures."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import pyarrow as pa

from pipelines.judge.fidelity import evidence, paired
from pipelines.judge.fidelity.detector import detect
from pipelines.judge.fidelity.sides import Drawn, Sides, draw, even_sides
from pipelines.judge.image import fidelity as images
from pipelines.judge.tabular import fidelity as tables
from pipelines.judge.text import fidelity as text
from pipelines.plan.seeds import derive_seed
from schemas.fidelity import Fidelity, FidelityChoice, FigureGroup
from schemas.manifest import Manifest
from schemas.plan import Role

IMAGE_BYTES = 1 << 27
"""Bytes of encoded images on each side, at most: while they are drawn, some ten times as many are held."""


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
    image = _column(manifest, "image")
    rows = _images(manifest, choice.images) if image else choice.rows
    drawn = draw(manifest, real, published, rows, seed, whole=image is not None)
    sides = even_sides(drawn, rows, seed)
    if not sides.rows:
        why = "No class has both made rows and two real ones to compare with."
        return Fidelity(origin=manifest.origin, groups=[], detectors=[], notes=[why])
    if image:
        return _of_images(manifest, drawn, sides, image, choice, seed)
    name = _column(manifest, "text")
    return _of_texts(manifest, drawn, sides, name, choice, seed) if name else _of_tables(manifest, drawn, sides, seed)


def _column(manifest: Manifest, role: Role) -> str | None:
    return next((column.name for column in manifest.columns if column.role == role), None)


def _images(manifest: Manifest, most: int) -> int:
    """Return how many images are drawn for each side: fewer where they are large."""
    one = sum(shard.bytes for shard in manifest.shards) / max(1, manifest.rows)
    return max(50, min(most, int(IMAGE_BYTES / max(1.0, one))))


def _of_tables(manifest: Manifest, drawn: Drawn, sides: Sides, seed: int) -> Fidelity:
    found = detect(drawn, partial(evidence.of_table, manifest=manifest), seed)
    return Fidelity(origin=manifest.origin, groups=tables.table_figures(sides, manifest), detectors=found)


def _of_texts(
    manifest: Manifest, drawn: Drawn, sides: Sides, column: str, choice: FidelityChoice, seed: int
) -> Fidelity:
    groups: list[FigureGroup] = [text.text_figures(sides, column, choice.language_model)]
    found = paired.pairs(drawn, column, seed)
    groups += [paired.text_pairs(found)] if found else []
    detectors = detect(drawn, partial(evidence.of_texts, column=column), seed)
    return Fidelity(origin=manifest.origin, groups=groups, detectors=detectors)


def _of_images(
    manifest: Manifest, drawn: Drawn, sides: Sides, column: str, choice: FidelityChoice, seed: int
) -> Fidelity:
    notes: list[str] = []
    groups: list[FigureGroup | None] = []
    eye = images.open_eye(drawn, sides, manifest, column, choice.image_model)
    if eye is None:
        notes.append(
            "FID and its like need an image model here (evaluate.fidelity.image_model): there are no classes of"
            " whole images that one could be fitted on."
        )
    elif sides.rows > 1:
        groups.append(images.image_figures(eye, sides, column))
    found = paired.pairs(drawn, column, seed)
    groups.append(paired.image_pairs(found) if found else None)
    new = drawn if choice.image_model else replace(drawn, real=sides.real)  # the classifier learnt from the others
    detectors = detect(new, partial(evidence.of_images, column=column, eye=eye), seed) if eye else []
    kept = [group for group in groups if group]
    return Fidelity(origin=manifest.origin, groups=kept, detectors=detectors, notes=notes)
