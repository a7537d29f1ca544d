"""The classifiers of tables, each with its library's default settings, and their view of rows."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from pipelines.judge.evaluate.classifiers import Lesson, Predict, View, class_weight, fit_model
from pipelines.judge.evaluate.held_out import feature_columns
from pipelines.validate.tabular.features import encode, learn_features
from schemas.plan import Plan


def view(plan: Plan, raw: pa.Table) -> View:
    """Return the view of a plan's rows: a matrix of numbers and codes, which are learnt from the raw rows alone."""
    features = learn_features(raw, [column.name for column in feature_columns(plan)])
    return View(lambda table: encode(table, features), [feature.categories is not None for feature in features])


def fit_trees(lesson: Lesson) -> Predict:
    """Fit histogram gradient boosting (Ke et al. 2017); columns without any value are filled with 0."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    empty = np.isnan(lesson.rows).all(axis=0)
    lesson = replace(lesson, rows=np.where(empty, 0.0, lesson.rows))
    model = HistGradientBoostingClassifier(
        categorical_features=lesson.view.categorical or None,
        class_weight=class_weight(lesson),
        random_state=lesson.seed,
    )
    predict = fit_model(model, lesson)
    return lambda rows: predict(np.where(empty, 0.0, rows))


def fit_logistic(lesson: Lesson) -> Predict:
    """Fit logistic regression on one-hot categories and standardised numbers, with indicators of missing values."""
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
    model = LogisticRegression(class_weight=class_weight(lesson), max_iter=1000)
    return fit_model(make_pipeline(columns, model), lesson)
