"""Augmented images beside the real ones that they were made from."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from generators.image.codec import Pixels
from pipelines.judge.fidelity.pairs import Pairs
from pipelines.validate.image.pixels import sound_pixels
from schemas.fidelity import Figure, FigureGroup


def image_pairs(found: Pairs) -> FigureGroup | None:
    """Return mean SSIM and PSNR of the pairs whose images have one size; nothing where none has.

    Images that are the same have no PSNR: they are counted instead.
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
    """Return SSIM, PSNR (NaN for the same images) and whether they are the same, for each pair of one size."""
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
