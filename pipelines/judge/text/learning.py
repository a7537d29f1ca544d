"""The classifiers of texts, each with its library's default settings, and their view of rows."""

import numpy as np
import pyarrow as pa

from pipelines.judge.evaluate.classifiers import Lesson, Predict, View, class_weight, fit_model
from pipelines.validate.text.words import list_texts, words_of
from schemas.plan import Plan

_STRENGTH = 10.0  # of the logistic regression: the inverse of its penalty
_MOST_TERMS = 200_000


def view(plan: Plan, _raw: pa.Table) -> View:
    """Return the view of a plan's rows: the texts themselves."""
    return View(lambda table: np.array(list_texts(table[plan.profile.text]), dtype=object), [])


def fit_terms(lesson: Lesson) -> Predict:
    """Fit logistic regression on TF-IDF (Spärck Jones 1972) of words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    terms = TfidfVectorizer(
        tokenizer=words_of, token_pattern=None, lowercase=False, ngram_range=(1, 2), max_features=_MOST_TERMS
    )
    model = LogisticRegression(C=_STRENGTH, class_weight=class_weight(lesson), max_iter=1000)
    return fit_model(make_pipeline(terms, model), lesson)
