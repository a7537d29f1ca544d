"""The fidelity of made rows of tables."""

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.judge.fidelity.detector import Evidence, Model, auc_of, detect
from pipelines.judge.fidelity.sides import Drawn, Sides
from pipelines.judge.tabular.figures import table_figures
from pipelines.validate.tabular.features import encode, learn_features
from schemas.fidelity import Fidelity, FidelityChoice
from schemas.manifest import Manifest


def fidelity(manifest: Manifest, drawn: Drawn, sides: Sides, _choice: FidelityChoice, seed: int) -> Fidelity:
    """Return the figures of a dataset; see `Modality.fidelity`."""
    found = detect(drawn, partial(of_table, manifest=manifest), seed)
    return Fidelity(origin=manifest.origin, groups=table_figures(sides, manifest), detectors=found)


Floats = NDArray[np.float64]
Places = NDArray[np.int64]

_ROUNDS = 60
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
