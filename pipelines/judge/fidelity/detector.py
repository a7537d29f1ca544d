"""Measures whether a classifier tells made rows from real ones within one class, and by which features.

This is a classifier two-sample test (Lopez-Paz and Oquab 2017, arXiv:1610.06545). It asks for more than the
distributions of columns: a made row may have the right values in a combination that no real row has. Knows no modality:
`evidence` gives the features.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.judge.fidelity.sides import ID, PARENT, Drawn, by_class
from pipelines.plan.seeds import derive_seed
from schemas.fidelity import Detector

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

FEWEST, MOST = 50, 4_000
"""The fewest and the most rows on each side: with fewer the AUC says nothing, with more it is precise enough."""
FOLDS, TELLS = 5, 10
_SURE = 1.96  # standard errors on each side of a 95% interval


class Model(Protocol):
    """The methods of a classifier of scikit-learn."""

    def fit(self, features: Any, target: Indices) -> Any:
        """Learn which rows are made (1) and which are real (0)."""

    def predict_proba(self, features: Any) -> Floats:
        """Return the probability of each row to be real, and to be made."""


@dataclass(frozen=True)
class Evidence:
    """The features of a classifier: `matrix` has a line for each row.

    `tells` returns, for a fitted model and rows that it was not fitted on (features, target), how much of the AUC each
    column of the matrix contributes, by the column's name.
    """

    matrix: Any
    model: Callable[[], Model]
    tells: Callable[[Model, Any, Indices], dict[str, float]]


Look = Callable[[pa.Table], Evidence]


def detect(drawn: Drawn, look: Look, seed: int) -> list[Detector]:
    """Return the detector of each class that has made rows; `look` gets the rows of both sides, real ones first.

    It uses one thread, so that results do not depend on the machine.
    """
    from threadpoolctl import threadpool_limits

    real, none = by_class(drawn.real), drawn.real.slice(0, 0)
    with threadpool_limits(1):
        return [
            _detect_class(name, real.get(name, none), made, look, derive_seed(seed, "detector", name))
            for name, made in by_class(drawn.made).items()
        ]


def _detect_class(name: str, real: pa.Table, made: pa.Table, look: Look, seed: int) -> Detector:
    rows = min(real.num_rows, made.num_rows, MOST)
    if rows < FEWEST:
        few = f"{real.num_rows:,} real and {made.num_rows:,} made rows were drawn, and {FEWEST} of each are needed"
        return Detector(stratum=name, rows=rows, note=few)
    rng = np.random.default_rng(seed)
    real_rows, made_rows = (table.take(pa.array(rng.permutation(table.num_rows)[:rows])) for table in (real, made))
    orphans = real_rows.append_column(PARENT, pa.nulls(rows, pa.string()))
    both = pa.concat_tables([orphans, made_rows.select(orphans.column_names)])
    evidence = look(both)
    if not evidence.matrix.shape[1]:
        return Detector(stratum=name, rows=rows, note="nothing differs from row to row")
    target = np.repeat(np.array([0, 1]), rows)
    return _cross_validate(name, evidence, target, assign_folds(both, rng))


def assign_folds(rows: pa.Table, rng: np.random.Generator) -> Indices:
    """Return the fold of each row; a real row and the rows that were made from it share one.

    Otherwise a classifier that has learnt a real row would take its copies for real. Folds have equal shares of real
    rows.
    """
    family = pc.coalesce(rows[PARENT].combine_chunks(), rows[ID].combine_chunks()).dictionary_encode()
    codes = np.asarray(family.indices, dtype=np.int64)
    has_real = np.zeros(len(family.dictionary), bool)
    has_real[codes[np.asarray(rows[PARENT].is_null())]] = True
    fold = np.zeros(len(has_real), np.int64)
    for group in (has_real, ~has_real):
        fold[rng.permutation(np.flatnonzero(group))] = np.arange(int(group.sum())) % FOLDS
    return fold[codes]


def _cross_validate(name: str, evidence: Evidence, target: Indices, fold: Indices) -> Detector:
    curves = [_evaluate_fold(evidence, target, fold == number) for number in range(FOLDS)]
    influences = np.concatenate([curve[1] for curve in curves])
    auc = float(np.mean([curve[0] for curve in curves]))
    error = float(np.sqrt(np.mean(influences**2) / len(influences)))
    keys = sorted({key for curve in curves for key in curve[2]})
    worth = {key: float(np.mean([curve[2].get(key, 0.0) for curve in curves])) for key in keys}
    positive = sorted(((key, value) for key, value in worth.items() if value > 0), key=lambda one: (-one[1], one[0]))
    return Detector(
        stratum=name,
        rows=len(target) // 2,
        auc=auc,
        low=max(0.0, auc - _SURE * error),
        high=min(1.0, auc + _SURE * error),
        tells=dict(positive[:TELLS]),
    )


def _evaluate_fold(
    evidence: Evidence, target: Indices, held_out: NDArray[np.bool_]
) -> tuple[float, Floats, dict[str, float]]:
    """Return the held-out AUC of a model fitted on the other folds, its influences, and each feature's contribution."""
    model = evidence.model()
    model.fit(evidence.matrix[~held_out], target[~held_out])
    rest, truth = evidence.matrix[held_out], target[held_out]
    auc, influences = auc_of(model.predict_proba(rest)[:, 1], truth)
    return auc, influences, evidence.tells(model, rest, truth)


def auc_of(scores: Floats, target: Indices) -> tuple[float, Floats]:
    """Return the area under the ROC curve and each row's influence on it (of mean zero; LeDell et al. 2015).

    The mean square of all folds' influences over the number of rows is the squared error of the folds' mean AUC. Where
    nothing distinguishes the rows, it is a fifth too small, since the folds' models share rows.

    >>> auc, influences = auc_of(np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1]))
    >>> auc
    1.0
    """
    above, below = np.sort(scores[target == 1]), np.sort(scores[target == 0])

    def share(of: Floats, values: Floats) -> Floats:
        """Return the share of `of` below each value; equal ones count half."""
        found = (np.searchsorted(of, values, "left") + np.searchsorted(of, values, "right")) / (2 * len(of))
        return np.asarray(found, np.float64)

    beaten = np.where(target == 1, share(below, scores), 1 - share(above, scores))
    auc = float(beaten[target == 1].mean())
    weights = np.where(target == 1, len(target) / len(above), len(target) / len(below))
    return auc, weights * (beaten - auc)
