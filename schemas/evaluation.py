"""Whether a dataset helps: what a user asks to be measured, and what was found."""

from typing import Literal

from pydantic import Field

from schemas.base import Part, Place

Remedy = Literal["raw", "class_weights", "threshold", "over_sampling", "smote", "augmentation"]
Measure = Literal["balanced_accuracy", "f1", "average_precision", "roc_auc"]


class Evaluate(Part):
    """How the dataset is compared with cheaper remedies."""

    test: Place = Field(
        description="Real rows that the build never sees: a file or folder with the source's columns, and its format."
    )
    measure: Measure = Field("balanced_accuracy", description="What the verdict goes by.")
    seeds: int = Field(5, ge=1, le=100, description="How often each classifier is trained.")
    remedies: list[Remedy] | None = Field(
        None, min_length=1, description="What the dataset is compared with; left out: all that the modality knows."
    )
    max_rows: int = Field(200_000, ge=100, description="Rows that a classifier learns from, at most; drawn evenly.")
