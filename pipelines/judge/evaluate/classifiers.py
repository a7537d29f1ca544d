"""The classifiers that measure how good rows are to learn from, and the views of rows that they take.

A modality lists them. Each has its library's default settings and runs on one thread, so that only the rows differ
between two results. Knows no remedy.
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
    """How a classifier sees rows: `rows` turns a table into an array, whose first axis is the rows.

    For tables that is a matrix of numbers and codes (`categorical` marks the codes), NaN for missing values; for texts
    the texts; for images pixels (uint8), `side` x `side`.
    """

    rows: Callable[[pa.Table], NDArray[Any]]
    categorical: list[bool]


@dataclass(frozen=True)
class Lesson:
    """The training data of a classifier: rows as `view` gives them, and the numbers of their classes.

    There are `classes` classes, numbered from 0. If `weighted`, every class has the same total weight.
    """

    view: View
    rows: NDArray[Any]
    target: NDArray[np.int64]
    classes: int
    weighted: bool
    seed: int


def fit(name: str, modality: Modality, lesson: Lesson) -> Predict:
    """Fit the named classifier; return a function from rows to class probabilities, shape (rows, classes)."""
    present = np.unique(lesson.target)
    if len(present) < 2:
        return lambda rows: np.tile(np.bincount(present, minlength=lesson.classes).astype(np.float64), (len(rows), 1))
    predict: Predict = load_part(modality.classifiers[name])(lesson)
    return predict


DETERMINISTIC = frozenset({"logistic regression"})
"""Classifiers whose result does not depend on the seed."""


def class_weight(lesson: Lesson) -> str | None:
    """Return scikit-learn's name for the class weights that the lesson asks for."""
    return "balanced" if lesson.weighted else None


def fit_model(model: Any, lesson: Lesson) -> Predict:
    """Fit a model of scikit-learn; a class without training rows has the probability 0."""
    model.fit(lesson.rows, lesson.target)
    classes = np.asarray(model.classes_)

    def predict(rows: NDArray[Any]) -> Floats:
        chances = np.zeros((len(rows), lesson.classes))
        chances[:, classes] = model.predict_proba(rows)
        return chances

    return predict
