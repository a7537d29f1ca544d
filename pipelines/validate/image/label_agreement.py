"""Checks whether an image looks like its class: a classifier fitted on the real images must find it likely enough.

The class is the plan's label column, even where strata are defined by other columns. The classifier is a small
convolutional network (see `generators.image.classifier`) in which every class weighs the same. A network that learnt
from some thousand images is far less sure about ten classes than classifiers of text or tables are. So by default a
class must only be as likely as by chance.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field

from generators import base
from pipelines.validate.base import Batch, Verdict
from pipelines.validate.classes import agreement_verdict, class_codes
from pipelines.validate.image.learning import LearningParams, View, sample_images
from schemas.arrow import arrow_type
from schemas.plan import Plan

if TYPE_CHECKING:
    from generators.image.classifier import Classifier

_CLASSES = "classes.parquet"
_MOST = 0.3  # the greatest default of the least probability, with three classes or fewer


class LabelAgreementParams(LearningParams):
    """How sure the classifier must be, and what it learns from."""

    min_probability: float | None = Field(
        None, ge=0, le=1, description="Least probability of the row's own class; left out: 1 / classes, 0.3 at most."
    )


class LabelAgreement:
    """Refuses images whose class the classifier finds unlikely; keeps all where there is only one class.

    Rows whose label is missing or is no class of the real rows are refused. Raises SpecError for images with objects.

    Example:
        validate: [{name: label_agreement, params: {min_probability: 0.2}}]

    """

    name: ClassVar[str] = "label_agreement"
    learns: ClassVar[bool] = True
    lowered: ClassVar[str] = "min_probability"
    Params: ClassVar[type[base.Params]] = LabelAgreementParams

    def __init__(self, params: LabelAgreementParams, plan: Plan) -> None:
        self._params = params
        self._view = View.of(plan, params.size, self.name)
        self._label = plan.label
        self._classes = pa.array([], arrow_type(plan.profile.column(plan.label).type))
        self._classifier: Classifier | None = None

    def fit(self, real: Iterable[Batch]) -> None:
        """Fit the classifier on a stratified sample of the rows; it depends on the rows alone, not on their order."""
        from generators.image.classifier import fit_classifier

        params = self._params
        sample = sample_images(real, self._view, self._label, self._classes.type, params.fit_rows)
        self._classes, self._classifier = sample.classes, None
        if len(self._classes) > 1:
            self._classifier = fit_classifier(sample.pixels, sample.target, steps=params.steps, flip=params.flip)

    def check(self, batch: Batch) -> Verdict:
        """Refuse the rows whose class is less likely than `min_probability`."""
        codes = class_codes(batch.table.column(self._label), self._classes)
        return agreement_verdict(codes, self._probability(batch.table, codes), self._least())

    def save(self, path: Path) -> None:
        """Write classes.parquet and, where there is a classifier, net.safetensors."""
        pq.write_table(pa.table({"class": self._classes}), path / _CLASSES)
        if self._classifier is not None:
            self._classifier.save(path)

    def load(self, path: Path) -> None:
        """Read what `save` wrote."""
        from generators.image.classifier import Classifier

        self._classes = pq.read_table(path / _CLASSES).column("class").combine_chunks()
        self._classifier = Classifier.load(path) if len(self._classes) > 1 else None

    def _least(self) -> float:
        declared = self._params.min_probability
        return min(_MOST, 1 / max(1, len(self._classes))) if declared is None else declared

    def _probability(self, table: pa.Table, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the probability of each row's own class; 1 where there is no classifier."""
        if self._classifier is None:
            return np.ones(len(codes))
        return self._classifier.probabilities(self._view.pixels(table))[np.arange(len(codes)), codes]
