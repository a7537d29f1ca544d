"""The utility of a dataset: what a user asks to be measured, and the results."""

from typing import Literal

from pydantic import Field

from schemas.base import Noun, Part, ReadPlace
from schemas.fidelity import Fidelity, FidelityChoice

Remedy = Literal["raw", "class_weights", "threshold", "over_sampling", "smote", "augmentation"]
Measure = Literal["balanced_accuracy", "f1", "average_precision", "roc_auc"]

EVALUATION, EVALUATION_PAGE = "evaluation.json", "evaluation.html"
"""The files that an evaluation writes beside a published dataset."""
BUILD, MADE_ALONE = "build", "made_alone"
"""Compared with the remedies: this build, and its made rows without the real rows of their classes."""


class Evaluate(Part):
    """How the dataset is compared with cheaper remedies."""

    test: ReadPlace = Field(
        description="Real rows that the build never sees: a file or folder with the source's columns, and its format."
    )
    measure: Measure = Field("balanced_accuracy", description="What the verdict goes by.")
    seeds: int = Field(5, ge=1, le=100, description="How often each classifier is trained.")
    remedies: list[Remedy] | None = Field(
        None, min_length=1, description="What the dataset is compared with; left out: all that the modality knows."
    )
    max_rows: int = Field(200_000, ge=100, description="Rows that a classifier learns from, at most; drawn evenly.")
    fidelity: FidelityChoice = Field(FidelityChoice(), description="Models that made rows are measured with.")


class Interval(Noun):
    """A figure (the mean over the seeds) and its 95% interval, whose ends are None if there were too few rows."""

    mean: float
    low: float | None = None
    high: float | None = None


class Figures(Noun):
    """The scores of a classifier on the held-out rows after one remedy; without `classifier`, the mean over all.

    `f1`, `average_precision` and `roc_auc` are means over the minority classes, each against all others; `recall` is
    by class. `brier` (lower is better) and `calibration_error` (expected, of 15 bins) measure how reliable its
    probabilities are.
    """

    remedy: str
    classifier: str | None
    balanced_accuracy: Interval
    f1: Interval
    average_precision: Interval
    roc_auc: Interval
    brier: Interval
    calibration_error: Interval
    recall: dict[str, Interval]


class Difference(Noun):
    """The measure of this build minus that of a remedy on the same held-out rows, the mean over classifiers."""

    remedy: str
    gain: Interval


class Verdict(Noun):
    """Whether this dataset is worth using: `helps` is None if there are too few held-out rows to decide."""

    helps: bool | None
    sentence: str


class Utility(Noun):
    """The scores on real held-out rows of classifiers of the raw data, of each cheaper remedy and of this build.

    `rows` counts the rows of each class: `raw` and `build` to learn from, `made` among those of `build`, and `test`.
    `minority` are the classes that the build made rows for.
    """

    measure: Measure
    seeds: int
    classifiers: list[str]
    minority: list[str]
    rows: dict[str, dict[str, int]]
    figures: list[Figures]
    differences: list[Difference]
    verdict: Verdict
    notes: list[str]

    def of(self, remedy: str) -> Figures:
        """Return the figures of a remedy, the mean over classifiers."""
        return next(one for one in self.figures if one.remedy == remedy and one.classifier is None)


class Evaluation(Noun):
    """The measurements of the dataset with this content; `key` is a hash of all that decides the figures.

    `page` is the SHA-256 of the page beside the file, `seal` that of all other fields (older files lack both).
    """

    key: str
    content_hash: str
    utility: Utility
    fidelity: Fidelity | None = None
    page: str | None = None
    seal: str | None = None
