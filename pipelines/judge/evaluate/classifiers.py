"""The classifiers that tell how good rows are to learn from. A name, a function; they know no remedy.

Each is fitted as it comes out of its library, on one thread: what differs between two of them is the rows alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.judge.evaluate.views import View

Floats = NDArray[np.float64]
Predict = Callable[[NDArray[Any]], Floats]
_STRENGTH = 10.0  # of the logistic regression on texts: the inverse of its penalty
_MOST_TERMS = 200_000


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


def fit(name: str, modality: str, lesson: Lesson) -> Predict:
    """Return what gives the classes' probabilities, shape (rows, classes), after that lesson."""
    present = np.unique(lesson.target)
    if len(present) < 2:
        return lambda rows: np.tile(np.bincount(present, minlength=lesson.classes).astype(np.float64), (len(rows), 1))
    return CLASSIFIERS[modality][name](lesson)


def _trees(lesson: Lesson) -> Predict:
    """Fit histogram gradient boosting (Ke et al. 2017); it takes no column without any value, as few rows may have."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    empty = np.isnan(lesson.rows).all(axis=0)
    lesson = replace(lesson, rows=np.where(empty, 0.0, lesson.rows))
    model = HistGradientBoostingClassifier(
        categorical_features=lesson.view.categorical or None, class_weight=_weight(lesson), random_state=lesson.seed
    )
    predict = _fitted(model, lesson)
    return lambda rows: predict(np.where(empty, 0.0, rows))


def _logistic(lesson: Lesson) -> Predict:
    """Fit logistic regression on one column a category and standardised numbers; what is missing is told apart."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    categorical = np.array(lesson.view.categorical, bool)
    numbers = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), StandardScaler()
    )
    columns = ColumnTransformer(
        [
            ("numbers", numbers, np.flatnonzero(~categorical)),
            ("categories", OneHotEncoder(handle_unknown="ignore"), np.flatnonzero(categorical)),
        ]
    )
    model = LogisticRegression(class_weight=_weight(lesson), max_iter=1000)
    return _fitted(make_pipeline(columns, model), lesson)


def _terms(lesson: Lesson) -> Predict:
    """Fit logistic regression on TF-IDF (Spärck Jones 1972) of words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from pipelines.validate.text.words import words_of

    terms = TfidfVectorizer(
        tokenizer=words_of, token_pattern=None, lowercase=False, ngram_range=(1, 2), max_features=_MOST_TERMS
    )
    model = LogisticRegression(C=_STRENGTH, class_weight=_weight(lesson), max_iter=1000)
    return _fitted(make_pipeline(terms, model), lesson)


def _network(lesson: Lesson) -> Predict:
    """Fit a small ResNet."""
    from generators.image.resnet import fit_resnet

    counts = np.bincount(lesson.target, minlength=lesson.classes)
    even = len(lesson.target) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    weights = even if lesson.weighted else np.ones(lesson.classes)
    return fit_resnet(lesson.rows, lesson.target, lesson.classes, weights=weights, seed=lesson.seed).probabilities


CLASSIFIERS: Mapping[str, Mapping[str, Callable[[Lesson], Predict]]] = {
    "tabular": {"gradient boosting": _trees, "logistic regression": _logistic},
    "text": {"logistic regression": _terms},
    "image": {"small ResNet": _network},
}
"""The classifiers of each modality."""

DETERMINISTIC = frozenset({"logistic regression"})
"""Those that give the same whatever the seed."""


def _weight(lesson: Lesson) -> str | None:
    return "balanced" if lesson.weighted else None


def _fitted(model: Any, lesson: Lesson) -> Predict:
    """Fit a model of scikit-learn; a class that was not among its rows has the probability 0."""
    model.fit(lesson.rows, lesson.target)
    places = np.asarray(model.classes_)

    def predict(rows: NDArray[Any]) -> Floats:
        chances = np.zeros((len(rows), lesson.classes))
        chances[:, places] = model.predict_proba(rows)
        return chances

    return predict
