"""The fidelity and diversity of made rows: what a user may choose, and the results."""

from typing import Literal

from pydantic import Field

from schemas.base import ModelPlace, Noun, Part

Better = Literal["high", "low", "real"]
"""The good values of a figure: high, low, or near to the value of real rows."""


class FidelityChoice(Part):
    """The models that made rows are measured with, and how many rows are."""

    image_model: ModelPlace | None = Field(
        None,
        description="A folder (config.json, model.safetensors) with an image model of transformers, or a hub id: FID"
        " and its like are measured in its features. Left out: in those of a small classifier of the real images.",
    )
    language_model: ModelPlace | None = Field(
        None,
        description="A folder with a causal language model of transformers, or a hub id, that tells perplexity; left"
        " out: it is not measured.",
    )
    rows: int = Field(20_000, ge=100, description="Rows on each side, at most; drawn evenly from the classes.")
    images: int = Field(2_000, ge=50, description="Images on each side, at most; less where they are large.")


class Figure(Noun):
    """One measure of made rows; `real` is the same measure of as many other real rows.

    A value is None where the measure is not defined. `stratum` is the class, or None for all classes together.
    """

    name: str
    made: float | None
    real: float | None
    better: Better
    stratum: str | None = None


class FigureGroup(Noun):
    """Figures of one kind; `rows` is the number of rows on each side, `basis` describes their origin in a sentence."""

    kind: Literal["tables", "columns", "images", "texts", "pairs"]
    rows: int
    basis: str
    figures: list[Figure]

    def overall(self) -> list[Figure]:
        """Return the figures of all classes together."""
        return [figure for figure in self.figures if figure.stratum is None]


class Detector(Noun):
    """How well a classifier tells made rows of one class from real ones: 0.5 not at all, 1 always.

    `auc` is cross-validated, `low` and `high` are the ends of its 95% interval, `rows` the rows on each side. `tells`
    holds the features that distinguish made rows (a column, a word), with the AUC lost without each, most first. If
    there is no `auc`, `note` says why.
    """

    stratum: str
    rows: int
    auc: float | None = None
    low: float | None = None
    high: float | None = None
    tells: dict[str, float] = Field({})
    note: str = ""


class Fidelity(Noun):
    """The fidelity of one dataset; `origin` is how made rows were made, as in `Manifest`; `notes` are sentences."""

    origin: str
    groups: list[FigureGroup]
    detectors: list[Detector]
    notes: list[str] = Field([])

    def group(self, kind: str) -> FigureGroup | None:
        """Return the figures of this kind, or None."""
        return next((group for group in self.groups if group.kind == kind), None)
