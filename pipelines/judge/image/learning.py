"""The classifiers of images, and their view of rows."""

import numpy as np
import pyarrow as pa

from pipelines.judge.evaluate.classifiers import Lesson, Predict, View
from pipelines.validate.image.learning import View as Pixels
from schemas.plan import Plan

_SIDE = 32


def view(plan: Plan, _raw: pa.Table) -> View:
    """Return the view of a plan's rows: pixels (uint8), `_SIDE` x `_SIDE`."""
    return View(Pixels.of(plan, _SIDE, "evaluate").pixels, [])


def fit_network(lesson: Lesson) -> Predict:
    """Fit a small ResNet to the images of a lesson, and return its predictions as a function."""
    from generators.image.resnet import fit_resnet

    counts = np.bincount(lesson.target, minlength=lesson.classes)
    even = len(lesson.target) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    weights = even if lesson.weighted else np.ones(lesson.classes)
    return fit_resnet(lesson.rows, lesson.target, lesson.classes, weights=weights, seed=lesson.seed).probabilities
