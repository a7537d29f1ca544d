"""Sets of images against sets of images: FID, KID, inception score, precision, recall, density and coverage.

They are measured in the features of a given network, or of a small classifier that learns from the real images. That
one never sees the half that stands in the place of made images, so that these are as new to it as made ones are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from generators.classes import rows_by_class
from generators.image.codec import Pixels
from pipelines.judge.fidelity.sides import ID, Drawn, Sides
from pipelines.judge.image.manifolds import NEAREST, manifold_figures
from pipelines.validate.image.learning import View
from pipelines.validate.image.pixels import resize_images, sound_pixels
from schemas.arrow import STRATUM
from schemas.fidelity import Better, Figure, FigureGroup
from schemas.manifest import Manifest

if TYPE_CHECKING:
    from generators.image.classifier import Classifier

Floats = NDArray[np.float64]
Look = Callable[[Sequence[Pixels]], Floats]

FEWEST, MOST_CLASSES = 4 * NEAREST, 20
"""Images of a class on each side for figures of its own, and classes that have some."""
_SIDE, _SMALLEST, _STEPS, _AT_ONCE = 32, 16, 400, 128


@dataclass(frozen=True)
class Seen:
    """Images of one side: their features, the probabilities of their classes, if there are any, and their strata."""

    features: Floats
    probabilities: Floats | None
    members: dict[str, NDArray[np.int64]]


@dataclass(frozen=True)
class Eye:
    """What looks at images; `basis` says it in words. `classifier` tells probabilities too."""

    features: Look
    probabilities: Look | None
    basis: str

    def see(self, table: pa.Table, column: str) -> Seen:
        """Look at the images of a table, some at a time: all of them decoded may not fit into memory."""
        features, chances = [], []
        for start in range(0, table.num_rows, _AT_ONCE):
            images = sound_pixels(table[column].slice(start, _AT_ONCE))
            features.append(self.features(images))
            chances += [self.probabilities(images)] if self.probabilities else []
        return Seen(
            np.concatenate(features), np.concatenate(chances) if chances else None, rows_by_class(table[STRATUM])
        )


def image_figures(eye: Eye, sides: Sides, column: str) -> FigureGroup:
    """Return the figures of made images, and of real ones in their place; there are two images or more on each side."""
    reference, real, made = (eye.see(table, column) for table in (sides.reference, sides.real, sides.made))
    found = [_of_sets(reference, made), _of_sets(reference, real)]
    figures = [_figure(name, found[0][name], found[1][name]) for name in found[0]]
    large = sorted(made.members, key=lambda name: (-len(made.members[name]), name))[:MOST_CLASSES]
    for name in large:
        if len(made.members[name]) >= FEWEST:
            one, other = (manifold_figures(*_of_class(name, reference, side)) for side in (made, real))
            figures += [_figure(key, one[key], other[key], name) for key in one]
    return FigureGroup(kind="images", rows=sides.rows, basis=eye.basis, figures=figures)


def _of_class(name: str, reference: Seen, side: Seen) -> tuple[Floats, Floats]:
    return reference.features[reference.members[name]], side.features[side.members[name]]


def _figure(name: str, made: float, real: float, stratum: str | None = None) -> Figure:
    better: Better = "low" if name in ("FID", "KID") else "high"
    return Figure(name=name, made=made, real=real, better=better, stratum=stratum)


def _of_sets(reference: Seen, side: Seen) -> dict[str, float]:
    from generators.image.figures import frechet_distance, inception_score, kernel_distance

    figures = {
        "FID": frechet_distance(reference.features, side.features),
        "KID": kernel_distance(reference.features, side.features),
    }
    if side.probabilities is not None:
        figures["Inception score"] = inception_score(side.probabilities)
    if len(side.features) > NEAREST:
        figures |= manifold_figures(reference.features, side.features)
    return figures


def open_eye(drawn: Drawn, sides: Sides, manifest: Manifest, column: str, network: str | None) -> Eye | None:
    """Return what looks at the images, or nothing: no network is given, and there are no classes of whole images."""
    view = _view(manifest, column)
    fitted = None if any(c.role == "objects" for c in manifest.columns) else _fit(drawn, sides, view)

    def small(images: Sequence[Pixels]) -> NDArray[np.uint8]:
        return resize_images(images, view.side, grey=view.grey)

    chances: Look | None = (lambda images: fitted[0].probabilities(small(images))) if fitted else None
    if network:
        from generators.image.vision import Vision

        return Eye(Vision(network).features, chances, _basis(f"the features of {network}", fitted))
    if fitted is None:
        return None
    classifier = fitted[0]
    own = "the features of a small classifier (so FID is no number to compare with those of Inception)"
    return Eye(lambda images: classifier.features(small(images)).astype(np.float64), chances, _basis(own, fitted))


def _basis(features: str, fitted: "tuple[Classifier, int] | None") -> str:
    score = f" The classifier learnt from {fitted[1]:,} real images, and tells the inception score." if fitted else ""
    return f"Measured in {features}.{score}"


def _view(manifest: Manifest, column: str) -> View:
    """Return how the small classifier sees the images."""
    profile = manifest.images
    largest = max(profile.size or profile.most) if profile else _SIDE
    return View(column, min(_SIDE, max(_SMALLEST, largest)), bool(profile and profile.mode == "L"))


def _fit(drawn: Drawn, sides: Sides, view: View) -> "tuple[Classifier, int] | None":
    """Return a classifier and how many real images it learnt from; nothing where there is one class alone."""
    from generators.image.classifier import fit_classifier

    unseen = pc.invert(pc.is_in(drawn.real[ID], sides.real[ID].combine_chunks()))
    known = drawn.real.filter(unseen)
    members = rows_by_class(known[STRATUM])
    if len(members) < 2:
        return None
    target = np.empty(known.num_rows, np.int64)
    for number, places in enumerate(members.values()):
        target[places] = number
    starts = range(0, known.num_rows, _AT_ONCE)
    pixels = np.concatenate([view.pixels(known.slice(start, _AT_ONCE)) for start in starts])
    return fit_classifier(pixels, target, steps=_STEPS), known.num_rows
