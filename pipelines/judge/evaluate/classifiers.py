"""The classifiers that tell how good rows are to learn from, and the rows as they take them. They know no remedy.

Which there are, a modality says. Each is fitted as it comes out of its library, on one thread: what differs between two
of them is the rows alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.modality import Modality, load_part

Floats = NDArray[np.float64]
Predict = Callable[[NDArray[Any]], Floats]


@dataclass(frozen=True)
class View:
    """`rows` returns a table's rows as an array, one item of its first axis each.

    Of tables that is a matrix of numbers and codes (`categorical` tells which), NaN for missing; of texts they
    themselves; of images pixels (uint8), `side` x `side`.
    """

    rows: Callable[[pa.Table], NDArray[Any]]
    categorical: list[bool]


@dataclass(frozen=True)
class Lesson:
    """What a classifier learns from: rows as `view` gives them, and their classes, `classes` of them, from 0.

    `weighted`: every class weighs the same in all.
    """

    view: View
    rows: NDArray[Any]
    target: NDArray[np.int64]
    classes: int
    weighted: bool
    seed: int


def fit(name: str, modality: Modality, lesson: Lesson) -> Predict:
    """Return what gives the classes' probabilities, shape (rows, classes), after that lesson."""
    present = np.unique(lesson.target)
    if len(present) < 2:
        return lambda rows: np.tile(np.bincount(present, minlength=lesson.classes).astype(np.float64), (len(rows), 1))
    predict: Predict = load_part(modality.classifiers[name])(lesson)
    return predict


DETERMINISTIC = frozenset({"logistic regression"})
"""Those that give the same whatever the seed."""


def weight(lesson: Lesson) -> str | None:
    """Return how scikit-learn calls the weights of classes that the lesson asks for."""
    return "balanced" if lesson.weighted else None


def fitted(model: Any, lesson: Lesson) -> Predict:
    """Fit a model of scikit-learn; a class that was not among its rows has the probability 0."""
    model.fit(lesson.rows, lesson.target)
    places = np.asarray(model.classes_)

    def predict(rows: NDArray[Any]) -> Floats:
        chances = np.zeros((len(rows), lesson.classes))
        chances[:, places] = model.predict_proba(rows)
        return chances

    return predict
