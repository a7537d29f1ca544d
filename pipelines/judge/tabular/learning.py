"""What classifiers of tables see, and which they are; each as it comes out of its library."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from pipelines.judge.evaluate.classifiers import Lesson, Predict, View, fitted, weight
from pipelines.judge.evaluate.held_out import feature_columns
from pipelines.validate.tabular.features import encode, learn_features
from schemas.plan import Plan


def view(plan: Plan, raw: pa.Table) -> View:
    """Return the view of a plan's rows: a matrix of numbers and codes, which are learnt of the raw rows alone."""
    features = learn_features(raw, [column.name for column in feature_columns(plan)])
    return View(lambda table: encode(table, features), [feature.categories is not None for feature in features])


def fit_trees(lesson: Lesson) -> Predict:
    """Fit histogram gradient boosting (Ke et al. 2017); it takes no column without any value, as few rows may have."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    empty = np.isnan(lesson.rows).all(axis=0)
    lesson = replace(lesson, rows=np.where(empty, 0.0, lesson.rows))
    model = HistGradientBoostingClassifier(
        categorical_features=lesson.view.categorical or None, class_weight=weight(lesson), random_state=lesson.seed
    )
    predict = fitted(model, lesson)
    return lambda rows: predict(np.where(empty, 0.0, rows))


def fit_logistic(lesson: Lesson) -> Predict:
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
    model = LogisticRegression(class_weight=weight(lesson), max_iter=1000)
    return fitted(make_pipeline(columns, model), lesson)
