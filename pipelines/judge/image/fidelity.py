"""Measures the fidelity and diversity of made images."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from generators.image.codec import Pixels
from pipelines.judge.fidelity.detector import Evidence, Model, detect
from pipelines.judge.fidelity.pairs import Pairs, pairs
from pipelines.judge.fidelity.sides import Drawn, Sides
from pipelines.judge.image.figures import Eye, image_figures, open_eye
from pipelines.modality import content_column
from pipelines.validate.image.pixels import sound_pixels
from schemas.fidelity import Fidelity, FidelityChoice, Figure, FigureGroup
from schemas.manifest import Manifest

IMAGE_BYTES = 1 << 27
"""The most bytes of encoded images on each side; drawing them takes some ten times this memory."""


def rows_looked_at(manifest: Manifest, choice: FidelityChoice) -> int:
    """Return the number of images to draw for each side: fewer if they are large."""
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


def of_images(rows: pa.Table, column: str, eye: Eye) -> Evidence:
    """Return the features of images for logistic regression, without the contribution of single features."""
    return Evidence(eye.see(rows, column).features, _linear, lambda *_: {})


def _linear() -> Model:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model: Model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    return model


def image_pairs(found: Pairs) -> FigureGroup | None:
    """Return mean SSIM and PSNR of the pairs of images of equal size, or None if there is no such pair.

    Equal images have no PSNR, and are counted instead.
    """
    made = _similar(found.made, found.parents)
    if not len(made):
        return None
    other = _similar(found.others, found.parents)
    names = ("SSIM", "PSNR (dB)", "Same pixels")
    figures = [
        Figure(name=name, made=_mean(made[:, place]), real=_mean(other[:, place]), better="real")
        for place, name in enumerate(names)
    ]
    basis = (
        "Each augmented image against the real one that it was made from (where both have one size), and against"
        " another real one of the class. SSIM is 1 for the same image."
    )
    return FigureGroup(kind="pairs", rows=len(made), basis=basis, figures=figures)


def _similar(one: pa.ChunkedArray, other: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return SSIM, PSNR (NaN for equal images) and whether the images are equal, for each pair of equal size."""
    from generators.image.figures import SMALLEST, psnr, quiet_metrics, ssim

    with quiet_metrics():
        rows = [
            (ssim(a, b), np.nan if (a == b).all() else psnr(a, b), float((a == b).all()))
            for a, b in _decoded(one, other)
            if a.shape == b.shape and min(a.shape[:2]) >= SMALLEST
        ]
    return np.array(rows, np.float64).reshape(-1, 3)


def _decoded(one: pa.ChunkedArray, other: pa.ChunkedArray) -> Iterator[tuple[Pixels, Pixels]]:
    for place in range(len(one)):
        yield sound_pixels(one.slice(place, 1))[0], sound_pixels(other.slice(place, 1))[0]


def _mean(values: NDArray[np.float64]) -> float | None:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else None
