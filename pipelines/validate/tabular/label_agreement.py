"""Checks whether a row looks like its class: a classifier fitted on the real rows must find it likely enough.

The class is the plan's label column, even where strata are defined by other columns. The classifier is scikit-learn's
histogram gradient boosting, similar to LightGBM (Ke et al. 2017). Every class has the same total weight, so that a rare
class is not found unlikely for being rare. It reads all columns but ids and the label.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field

from generators import base
from generators.classes import rank_in_class
from pipelines.validate.base import Batch, Verdict
from pipelines.validate.classes import Classes, agreement_verdict, class_codes
from pipelines.validate.sample import stratified_sample
from pipelines.validate.tabular.features import Feature, encode, learn_features
from pipelines.validate.tabular.trees import Trees
from schemas.arrow import arrow_type
from schemas.plan import Plan

_MOST_TREES = 3_000  # in all: each round grows one tree a class (one for two classes)
_FEWEST_ROUNDS = 10
_ROWS_FOR_THREADS = 100_000  # with fewer, threads that wait for one another on a busy machine cost more than they bring
_HELD_OUT = 10  # every tenth row of a class is held out, for early stopping


class LabelAgreementParams(base.Params):
    """How sure the classifier must be, and how long it learns."""

    min_probability: float = Field(0.3, ge=0, le=1, description="Least probability of the row's own class.")
    fit_rows: int = Field(200_000, ge=1, description="Real rows to learn from, at most; small classes stay whole.")
    max_iter: int = Field(100, ge=1, description="Rounds of boosting, at most; fewer with over 30 classes.")


class LabelAgreement:
    """Refuses rows whose class the classifier finds unlikely; keeps all where no column tells classes apart.

    The class of a row is the value of its label column. Rows whose label is missing or is no class of the real rows are
    refused.

    Example:
        validate: [schema, duplicates, {name: label_agreement, params: {min_probability: 0.2}}]

    """

    name: ClassVar[str] = "label_agreement"
    learns: ClassVar[bool] = True
    lowered: ClassVar[str] = "min_probability"
    Params: ClassVar[type[base.Params]] = LabelAgreementParams

    def __init__(self, params: LabelAgreementParams, plan: Plan) -> None:
        self._params = params
        self._label = plan.label
        self._names = [c.name for c in plan.profile.columns if c.role == "feature" and c.name != plan.label]
        self._classes = pa.array([], arrow_type(plan.profile.column(plan.label).type))
        self._features: list[Feature] = []
        self._model: Trees | None = None

    def fit(self, real: Iterable[Batch]) -> None:
        """Fit the classifier on a stratified sample of the rows; it depends on the rows alone, not on their order."""
        self._model, self._features = None, []
        numbering = Classes(self._classes.type)
        table = stratified_sample(self._labelled_parts(real, numbering), self._params.fit_rows)
        self._classes = numbering.ordered()
        self._features = learn_features(table, self._names)
        if self._features and len(self._classes) > 1:
            target = class_codes(table.column(self._label), self._classes)
            categorical = [feature.categories is not None for feature in self._features]
            threads = None if len(table) > _ROWS_FOR_THREADS else 1
            with _thread_controller().limit(limits=threads):
                self._model = _fit_trees(encode(table, self._features), target, categorical, self._params.max_iter)

    def check(self, batch: Batch) -> Verdict:
        """Refuse the rows whose class is less likely than `min_probability`."""
        codes = class_codes(batch.table.column(self._label), self._classes)
        return agreement_verdict(codes, self._probability(batch.table, codes), self._params.min_probability)

    def save(self, path: Path) -> None:
        """Write classes.parquet, features.json and, where there is a model, its trees; nothing is a pickle."""
        pq.write_table(pa.table({"class": self._classes}), path / "classes.parquet")
        (path / "features.json").write_text(json.dumps([asdict(feature) for feature in self._features]))
        if self._model is not None:
            self._model.save(path)

    def load(self, path: Path) -> None:
        """Read what `save` wrote; raises ValueError if the trees are of other classes or features."""
        self._classes = pq.read_table(path / "classes.parquet").column("class").combine_chunks()
        self._features = [Feature(**feature) for feature in json.loads((path / "features.json").read_text())]
        self._model = Trees.load(path) if Trees.saved(path) else None
        if self._model and (self._model.classes, len(self._model.categorical)) != (
            len(self._classes),
            len(self._features),
        ):
            raise ValueError("the trees are of other classes or features")

    def _labelled_parts(
        self, real: Iterable[Batch], numbering: Classes
    ) -> Iterator[tuple[pa.Table, NDArray[np.uint64], NDArray[np.int64]]]:
        """Yield the needed columns, fingerprints and class numbers of the rows that have a label."""
        for batch in real:
            table = batch.table.select([*self._names, self._label])
            known = pc.is_valid(table.column(self._label)).to_numpy()
            table = table.filter(pa.array(known))
            yield table, batch.fingerprints[known], numbering.number(table.column(self._label))

    def _probability(self, table: pa.Table, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the probability of each row's own class; 1 where there is no model."""
        if self._model is None or not len(codes):
            return np.ones(len(codes))
        with _thread_controller().limit(limits=1):
            chances = self._model.probabilities(encode(table, self._features))
        return chances[np.arange(len(codes)), codes]


@cache
def _thread_controller() -> Any:
    """Return the controller of scikit-learn's threads, on which the result does not depend; finding them is slow.

    An actor has its share of the cores, and others compute beside it: there one thread is up to ten times faster.
    """
    import sklearn.ensemble  # noqa: F401 (its libraries must be loaded to be found)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _fit_trees(matrix: NDArray[np.float64], target: NDArray[np.int64], categorical: list[bool], max_iter: int) -> Trees:
    """Fit the classifier on all but the held-out rows, which show when more rounds no longer help.

    There is no randomness in it: the held-out rows are every tenth of each class in the sample's order. Classes with
    fewer than ten rows are used whole for training.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    held_out = rank_in_class(target) % _HELD_OUT == _HELD_OUT - 1
    classes = int(target.max()) + 1
    weight = (len(target) / (classes * np.bincount(target)))[target]
    trees = HistGradientBoostingClassifier(
        max_iter=_most_rounds(classes, max_iter),
        categorical_features=categorical,
        early_stopping=bool(held_out.any()),
        random_state=0,
    )
    if not held_out.any():
        trees.fit(matrix, target, sample_weight=weight)
    else:
        trees.fit(
            matrix[~held_out],
            target[~held_out],
            sample_weight=weight[~held_out],
            X_val=matrix[held_out],
            y_val=target[held_out],
            sample_weight_val=weight[held_out],
        )
    return Trees.of(trees, matrix.shape[1])


def _most_rounds(classes: int, most: int) -> int:
    return min(most, max(_FEWEST_ROUNDS, _MOST_TREES // classes))
