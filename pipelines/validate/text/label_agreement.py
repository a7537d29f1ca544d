"""Checks whether a text reads like its class: a classifier fitted on the real texts must find it likely enough.

The class is the plan's label column, even where strata are defined by other columns. The classifier is logistic
regression on TF-IDF of words and pairs of words, or on the sentence embeddings of a pretrained model. Every class has
the same total weight.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field

from generators import base
from pipelines.validate.base import Batch, Verdict
from pipelines.validate.classes import Classes, agreement_verdict, class_codes
from pipelines.validate.sample import stratified_sample
from pipelines.validate.text.classifier import Linear, Terms, fit_linear
from pipelines.validate.text.words import list_texts
from schemas.access import Touch
from schemas.arrow import arrow_type
from schemas.plan import Plan


class LabelAgreementParams(base.Params):
    """How sure the classifier must be, and which features it uses."""

    min_probability: float = Field(0.3, ge=0, le=1, description="Least probability of the row's own class.")
    fit_rows: int = Field(50_000, ge=1, description="Real rows to learn from, at most; small classes stay whole.")
    model: Annotated[str | None, Touch("models")] = Field(
        None, description="Folder or hub id of a sentence-embedding model; left out: TF-IDF."
    )


class LabelAgreement:
    """Refuses texts whose class the classifier finds unlikely; keeps all where there is only one class.

    Rows whose label is missing or is no class of the real rows are refused.

    Example:
        validate: [text, duplicates, {name: label_agreement, params: {min_probability: 0.2}}]

    """

    name: ClassVar[str] = "label_agreement"
    learns: ClassVar[bool] = True
    lowered: ClassVar[str] = "min_probability"
    Params: ClassVar[type[base.Params]] = LabelAgreementParams

    def __init__(self, params: LabelAgreementParams, plan: Plan) -> None:
        self._params = params
        self._text, self._label = plan.profile.text, plan.label
        self._classes = pa.array([], arrow_type(plan.profile.column(plan.label).type))
        self._terms = Terms()
        self._linear: Linear | None = None
        self._encoder: Any = None

    def fit(self, real: Iterable[Batch]) -> None:
        """Fit the classifier on a stratified sample of the rows; it depends on the rows alone, not on their order."""
        numbering = Classes(self._classes.type)
        table = stratified_sample(self._labelled_parts(real, numbering), self._params.fit_rows)
        self._classes, self._linear = numbering.ordered(), None
        if len(self._classes) > 1:
            texts = list_texts(table.column(self._text))
            features = self._encode(texts) if self._params.model else self._terms.fit(texts)
            if features is not None:
                self._linear = fit_linear(features, class_codes(table.column(self._label), self._classes))

    def check(self, batch: Batch) -> Verdict:
        """Refuse the rows whose class is less likely than `min_probability`."""
        codes = class_codes(batch.table.column(self._label), self._classes)
        return agreement_verdict(codes, self._probability(batch.table, codes), self._params.min_probability)

    def save(self, path: Path) -> None:
        """Write classes.parquet and, where there is a model, its weights and terms; nothing is a pickle."""
        pq.write_table(pa.table({"class": self._classes}), path / "classes.parquet")
        if self._linear is not None:
            self._linear.save(path)
            if not self._params.model:
                self._terms.save(path)

    def load(self, path: Path) -> None:
        """Read what `save` wrote; a pretrained model is read from its own path."""
        self._classes = pq.read_table(path / "classes.parquet").column("class").combine_chunks()
        self._linear = Linear.load(path) if (path / "weights.npy").exists() else None
        if (path / "terms.json").exists():
            self._terms.load(path)

    def _labelled_parts(
        self, real: Iterable[Batch], numbering: Classes
    ) -> Iterator[tuple[pa.Table, NDArray[np.uint64], NDArray[np.int64]]]:
        """Yield the text and label, fingerprints and class numbers of the rows that have a label."""
        for batch in real:
            known = pc.is_valid(batch.table.column(self._label)).to_numpy()
            table = batch.table.select([self._text, self._label]).filter(pa.array(known))
            yield table, batch.fingerprints[known], numbering.number(table.column(self._label))

    def _probability(self, table: pa.Table, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the probability of each row's own class; 1 where there is no model."""
        if self._linear is None or not len(codes):
            return np.ones(len(codes))
        texts = list_texts(table.column(self._text))
        features = self._encode(texts) if self._params.model else self._terms.features(texts)
        return self._linear.probabilities(features)[np.arange(len(codes)), codes]

    def _encode(self, texts: list[str]) -> NDArray[np.float64]:
        if self._encoder is None:
            from generators.text.encoder import Encoder

            self._encoder = Encoder(self._params.model or "", "embed")
        vectors: NDArray[np.float64] = self._encoder.vectors(texts)
        return vectors
