"""What a detector looks at in rows of each modality, and by which classifier. Knows no classes."""

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.judge.fidelity.detector import Evidence, Model, auc_of
from pipelines.judge.image.fidelity import Eye
from pipelines.judge.text.language import MOST_CHARACTERS
from pipelines.validate.tabular.features import encode, learn_features
from pipelines.validate.text.words import as_texts, words_of
from schemas.manifest import Manifest

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

_ROUNDS, _TRIED = 60, 40
_JUDGED, _REPEATS = 400, 3  # rows and shuffles by which a column's worth is told, in each fold


def of_table(rows: pa.Table, manifest: Manifest) -> Evidence:
    """Return the columns for trees to look at, but those that are balanced by and ids, which are made anew.

    A column is worth what the AUC loses when its values are shuffled (permutation importance; Breiman 2001).
    """
    names = [c.name for c in manifest.columns if c.role not in ("id", "carried") and c.name not in manifest.by]
    features = learn_features(rows, names)
    categorical = [feature.categories is not None for feature in features]

    def model() -> Model:
        from sklearn.ensemble import HistGradientBoostingClassifier

        trees: Model = HistGradientBoostingClassifier(
            max_iter=_ROUNDS, categorical_features=categorical, early_stopping=False, random_state=0
        )
        return trees

    def tells(fitted: Model, matrix: Any, target: Places) -> dict[str, float]:
        drops = shuffled_drops(fitted, matrix, target)
        return {feature.name: drop for feature, drop in zip(features, drops, strict=True)}

    return Evidence(encode(rows, features), model, tells)


def shuffled_drops(model: Model, matrix: Floats, target: Places) -> list[float]:
    """Return how much lower the AUC is when a column's values are shuffled, for each column."""
    rng = np.random.default_rng(0)
    some = rng.permutation(len(target))[:_JUDGED]
    rows, truth = matrix[some], target[some]
    whole = auc_of(model.predict_proba(rows)[:, 1], truth)[0]
    drops = []
    for place in range(matrix.shape[1]):
        tried = np.concatenate([rows] * _REPEATS)
        for start in range(0, len(tried), len(rows)):
            tried[start : start + len(rows), place] = rng.permutation(rows[:, place])
        scores = model.predict_proba(tried)[:, 1].reshape(_REPEATS, -1)
        drops.append(whole - float(np.mean([auc_of(one, truth)[0] for one in scores])))
    return drops


def of_texts(rows: pa.Table, column: str) -> Evidence:
    """Return the words and pairs of words of texts (TF-IDF) for logistic regression to look at.

    A word is worth what the AUC loses when it is taken out of the texts; the weightiest words are tried.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    counter = TfidfVectorizer(analyzer=_terms, sublinear_tf=True, min_df=2)
    try:
        matrix = counter.fit_transform(as_texts(rows[column]))
    except ValueError:  # no word stands in two texts
        return Evidence(np.zeros((rows.num_rows, 0)), _linear, lambda *_: {})
    names = counter.get_feature_names_out()

    def tells(fitted: Model, texts: Any, target: Places) -> dict[str, float]:
        return {str(names[place]): drop for place, drop in dropped_words(fitted, texts, target).items()}

    return Evidence(matrix, _linear, tells)


def _terms(text: str) -> list[str]:
    words = words_of(text[:MOST_CHARACTERS])
    return [*words, *(f"{one} {other}" for one, other in pairwise(words))]


def dropped_words(model: Any, texts: Any, target: Places) -> dict[int, float]:
    """Return how much lower the AUC is without a column, for those that weigh most; `texts` is sparse."""
    weights = model.coef_[0]
    scores = np.asarray(texts @ weights)
    whole = auc_of(scores, target)[0]
    heaviest = np.argsort(-np.abs(weights) * np.asarray(texts.mean(axis=0)).ravel(), kind="stable")[:_TRIED]
    columns = texts.tocsc()
    return {
        int(place): whole - auc_of(scores - columns[:, [place]].toarray().ravel() * weights[place], target)[0]
        for place in heaviest
    }


def of_images(rows: pa.Table, column: str, eye: Eye) -> Evidence:
    """Return the features of images for logistic regression to look at; what one of them is worth says nothing."""
    return Evidence(eye.see(rows, column).features, _scaled_linear, lambda *_: {})


def _linear() -> Model:
    from sklearn.linear_model import LogisticRegression

    model: Model = LogisticRegression(C=10.0, max_iter=1000)
    return model


def _scaled_linear() -> Model:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model: Model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    return model
