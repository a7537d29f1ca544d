"""Compares sets of images: FID, KID, inception score, precision, recall, density and coverage.

They are computed from the features of a given network, or of a small classifier that learns from real images. The
classifier never sees the half of the real images whose figures stand beside those of made ones: both are new to it.
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
"""The fewest images of a class on each side for its own figures, and the most classes that get them."""
_SIDE, _SMALLEST, _STEPS, _AT_ONCE = 32, 16, 400, 128


@dataclass(frozen=True)
class Seen:
    """The images of one side: their features, their class probabilities or None, and the rows of each stratum."""

    features: Floats
    probabilities: Floats | None
    members: dict[str, NDArray[np.int64]]


@dataclass(frozen=True)
class Eye:
    """A network that gives features of images; `basis` describes it. A classifier also has `probabilities`."""

    features: Look
    probabilities: Look | None
    basis: str

    def see(self, table: pa.Table, column: str) -> Seen:
        """Return the features and probabilities of a table's images; images are read in parts to save memory."""
        features, chances = [], []
        for start in range(0, table.num_rows, _AT_ONCE):
            images = sound_pixels(table[column].slice(start, _AT_ONCE))
            features.append(self.features(images))
            chances += [self.probabilities(images)] if self.probabilities else []
        return Seen(
            np.concatenate(features), np.concatenate(chances) if chances else None, rows_by_class(table[STRATUM])
        )


def image_figures(eye: Eye, sides: Sides, column: str) -> FigureGroup:
    """Return the figures of made images and of as many real ones; each side has at least two images."""
    reference, real, made = (eye.see(table, column) for table in (sides.reference, sides.real, sides.made))
    sets = [_compare_sets(reference, made), _compare_sets(reference, real)]
    figures = [_make_figure(name, sets[0][name], sets[1][name]) for name in sets[0]]
    large = sorted(made.members, key=lambda name: (-len(made.members[name]), name))[:MOST_CLASSES]
    for name in large:
        if len(made.members[name]) >= FEWEST:
            made_values, real_values = (
                manifold_figures(*_features_of_class(name, reference, side)) for side in (made, real)
            )
            figures += [_make_figure(key, made_values[key], real_values[key], name) for key in made_values]
    return FigureGroup(kind="images", rows=sides.rows, basis=eye.basis, figures=figures)


def _features_of_class(name: str, reference: Seen, side: Seen) -> tuple[Floats, Floats]:
    return reference.features[reference.members[name]], side.features[side.members[name]]


def _make_figure(name: str, made: float, real: float, stratum: str | None = None) -> Figure:
    better: Better = "low" if name in ("FID", "KID") else "high"
    return Figure(name=name, made=made, real=real, better=better, stratum=stratum)


def _compare_sets(reference: Seen, side: Seen) -> dict[str, float]:
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
    """Return the network that reads the images, or None if none is given and images have no classes to learn."""
    view = _make_view(manifest, column)
    fitted = None if any(c.role == "objects" for c in manifest.columns) else _fit_classifier(drawn, sides, view)

    def small(images: Sequence[Pixels]) -> NDArray[np.uint8]:
        return resize_images(images, view.side, grey=view.grey)

    chances: Look | None = (lambda images: fitted[0].probabilities(small(images))) if fitted else None
    if network:
        from generators.image.vision import Vision

        return Eye(Vision(network).features, chances, _describe_basis(f"the features of {network}", fitted))
    if fitted is None:
        return None
    classifier = fitted[0]
    own = "the features of a small classifier (so FID is no number to compare with those of Inception)"
    return Eye(
        lambda images: classifier.features(small(images)).astype(np.float64), chances, _describe_basis(own, fitted)
    )


def _describe_basis(features: str, fitted: "tuple[Classifier, int] | None") -> str:
    score = f" The classifier learnt from {fitted[1]:,} real images, and tells the inception score." if fitted else ""
    return f"Measured in {features}.{score}"


def _make_view(manifest: Manifest, column: str) -> View:
    """Return the small classifier's view of the images."""
    profile = manifest.images
    largest = max(profile.size or profile.most) if profile else _SIDE
    return View(column, min(_SIDE, max(_SMALLEST, largest)), bool(profile and profile.mode == "L"))


def _fit_classifier(drawn: Drawn, sides: Sides, view: View) -> "tuple[Classifier, int] | None":
    """Return a classifier and the number of real images it learnt from, or None if there is only one class."""
    from generators.image.classifier import fit_classifier

    unseen = pc.invert(pc.is_in(drawn.real[ID], sides.real[ID].combine_chunks()))
    known = drawn.real.filter(unseen)
    members = rows_by_class(known[STRATUM])
    if len(members) < 2:
        return None
    target = np.empty(known.num_rows, np.int64)
    for number, rows in enumerate(members.values()):
        target[rows] = number
    starts = range(0, known.num_rows, _AT_ONCE)
    pixels = np.concatenate([view.pixels(known.slice(start, _AT_ONCE)) for start in starts])
    return fit_classifier(pixels, target, steps=_STEPS), known.num_rows
