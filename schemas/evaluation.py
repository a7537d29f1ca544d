"""Whether a dataset helps: what a user asks to be measured, and what was found."""

from typing import Literal

from pydantic import Field

from schemas.base import Noun, Part, ReadPlace
from schemas.fidelity import Fidelity, FidelityChoice

Remedy = Literal["raw", "class_weights", "threshold", "over_sampling", "smote", "augmentation"]
Measure = Literal["balanced_accuracy", "f1", "average_precision", "roc_auc"]

EVALUATION, EVALUATION_PAGE = "evaluation.json", "evaluation.html"
"""What is written beside a published dataset once it is evaluated."""
BUILD, MADE_ALONE = "build", "made_alone"
"""What is compared beside the remedies: this build, and its made rows without the real rows of their classes."""


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
    """A figure (the mean over the seeds) and its 95% interval; no ends where there were too few rows for one."""

    mean: float
    low: float | None = None
    high: float | None = None


class Figures(Noun):
    """How well a classifier does on the held-out rows after one remedy; without a `classifier`, the mean over all.

    `f1`, `average_precision` and `roc_auc` are the mean over the minority classes, each against all others; `recall` is
    by class. `brier` (lower is better) and `calibration_error` (expected, of 15 bins) tell how far its probabilities
    are to be trusted.
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
    """By how much this build's measure is above the remedy's, on the same held-out rows; the mean over classifiers."""

    remedy: str
    gain: Interval


class Verdict(Noun):
    """Whether this dataset is worth using: `helps` is None where the held-out rows are too few to tell."""

    helps: bool | None
    sentence: str


class Utility(Noun):
    """What classifiers of the raw data, of each cheaper remedy and of this build do on real held-out rows.

    `rows` counts those that were learned from and tested on, by class: `raw`, `build`, `made` (of those of the build)
    and `test`. `minority` are the classes that the build made rows for.
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
    """What was measured of the dataset with this content; `key` is a hash of all that decides the figures.

    `page` is the SHA-256 of the page beside it, and `seal` that of all other fields (older ones lack both).
    """

    key: str
    content_hash: str
    utility: Utility
    fidelity: Fidelity | None = None
    page: str | None = None
    seal: str | None = None
