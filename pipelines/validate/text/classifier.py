"""A small classifier of texts: logistic regression on TF-IDF of words and pairs of words, or on embeddings.

It knows no validator. Every class has the same total weight, so that a rare class is not found unlikely for being rare.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.storage.arrays import map_array, read_array
from pipelines.validate.text.words import words_of

Floats = NDArray[np.float64]

_MOST_TERMS = 200_000
_STRENGTH = 10.0  # inverse of the penalty: weaker than scikit-learn's default, or many classes all look unlikely


@dataclass(frozen=True)
class Linear:
    """A linear model: `weights` of shape (features, classes), `offsets` of shape (classes,)."""

    weights: Floats
    offsets: Floats

    def probabilities(self, features: Any) -> Floats:
        """Return each class's probability, of shape (rows, classes); `features` may be sparse.

        >>> model = Linear(np.array([[0.0, 1.0]]), np.zeros(2))
        >>> model.probabilities(np.array([[0.0]]))
        array([[0.5, 0.5]])
        """
        scores = np.asarray(features @ self.weights) + self.offsets
        scores -= scores.max(axis=1, keepdims=True)
        odds = np.exp(scores)
        chances: Floats = odds / odds.sum(axis=1, keepdims=True)
        return chances

    def save(self, path: Path) -> None:
        """Write weights.npy and offsets.npy."""
        np.save(path / "weights.npy", self.weights)
        np.save(path / "offsets.npy", self.offsets)

    @classmethod
    def load(cls, path: Path) -> "Linear":
        """Map what `save` wrote into memory."""
        return cls(map_array(path / "weights.npy"), read_array(path / "offsets.npy"))


def fit_linear(features: Any, target: NDArray[np.int64]) -> Linear:
    """Fit multinomial logistic regression on features of at least two classes, numbered from 0.

    It uses no randomness and one thread: the result does not depend on the machine's load.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        model = LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=1000).fit(features, target)
    weights, offsets = model.coef_.T, model.intercept_
    if weights.shape[1] == 1:  # of two classes: the second one's
        weights, offsets = np.hstack([-weights, weights]) / 2, np.concatenate([-offsets, offsets]) / 2
    return Linear(np.ascontiguousarray(weights), offsets)


class Terms:
    """TF-IDF (Spärck Jones 1972) of words and pairs of words; of characters in scripts without spaces."""

    def __init__(self) -> None:
        self._vectorizer: Any = None  # made when it is needed: scikit-learn takes a second to load

    def fit(self, texts: Sequence[str]) -> Any:
        """Learn the terms, at most the 200,000 most frequent, and return the texts' features (sparse)."""
        self._vectorizer = _vectorizer(None)
        try:
            return self._vectorizer.fit_transform(texts)
        except ValueError:  # no text has a word
            return None

    def features(self, texts: Sequence[str]) -> Any:
        """Return the texts' features (sparse)."""
        return self._vectorizer.transform(texts)

    def save(self, path: Path) -> None:
        """Write the terms to terms.json and their weights to rarity.npy."""
        terms = self._vectorizer.get_feature_names_out().tolist()
        (path / "terms.json").write_text(json.dumps(terms))
        np.save(path / "rarity.npy", self._vectorizer.idf_)

    def load(self, path: Path) -> None:
        """Read what `save` wrote."""
        self._vectorizer = _vectorizer(json.loads((path / "terms.json").read_text()))
        self._vectorizer.idf_ = read_array(path / "rarity.npy")


def _vectorizer(terms: list[str] | None) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        tokenizer=words_of,
        token_pattern=None,
        lowercase=False,  # the words are folded
        ngram_range=(1, 2),
        max_features=_MOST_TERMS if terms is None else None,
        vocabulary=terms,
    )
