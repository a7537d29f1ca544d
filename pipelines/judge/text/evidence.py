"""The features of texts for a detector, and its classifier. Knows no classes."""

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.judge.fidelity.detector import Evidence, Model, auc_of
from pipelines.judge.text.language import MOST_CHARACTERS
from pipelines.validate.text.words import list_texts, words_of

Places = NDArray[np.int64]

_TRIED = 40


def of_texts(rows: pa.Table, column: str) -> Evidence:
    """Return the words and pairs of words of texts (TF-IDF) as features for logistic regression.

    The contribution of a word is the AUC lost without the word; only the words of largest weight are tried.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    counter = TfidfVectorizer(analyzer=_terms, sublinear_tf=True, min_df=2)
    try:
        matrix = counter.fit_transform(list_texts(rows[column]))
    except ValueError:  # no word occurs in two texts
        return Evidence(np.zeros((rows.num_rows, 0)), _linear, lambda *_: {})
    names = counter.get_feature_names_out()

    def tells(fitted: Model, texts: Any, target: Places) -> dict[str, float]:
        return {str(names[place]): drop for place, drop in dropped_words(fitted, texts, target).items()}

    return Evidence(matrix, _linear, tells)


def _terms(text: str) -> list[str]:
    words = words_of(text[:MOST_CHARACTERS])
    return [*words, *(f"{one} {other}" for one, other in pairwise(words))]


def dropped_words(model: Any, texts: Any, target: Places) -> dict[int, float]:
    """Return the AUC lost without a column, for each of the columns of largest weight; `texts` is sparse."""
    weights = model.coef_[0]
    scores = np.asarray(texts @ weights)
    whole = auc_of(scores, target)[0]
    heaviest = np.argsort(-np.abs(weights) * np.asarray(texts.mean(axis=0)).ravel(), kind="stable")[:_TRIED]
    columns = texts.tocsc()
    return {
        int(place): whole - auc_of(scores - columns[:, [place]].toarray().ravel() * weights[place], target)[0]
        for place in heaviest
    }


def _linear() -> Model:
    from sklearn.linear_model import LogisticRegression

    model: Model = LogisticRegression(C=10.0, max_iter=1000)
    return model
