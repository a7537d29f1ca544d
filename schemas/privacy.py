"""The privacy of real rows: the limits that a user sets on what made rows reveal, and the results."""

from typing import Literal

from pydantic import Field

from schemas.base import Noun, Part

BUDGET = "budget.json"
"""The file of a fitted model with the privacy budget that its training spent."""

FigureName = Literal[
    "attack_auc", "attack_tpr", "closer", "copies", "singling_out", "k_anonymity", "l_diversity"
]  # those of PrivacyLimits


class PrivacyLimits(Part):
    """What is measured may not go beyond these; a build that does is not published. `null`: no limit."""

    attack_auc: float | None = Field(
        0.6,
        ge=0.5,
        le=1,
        description="How well an attack may tell learnt rows from held-out ones: area under its ROC curve; 0.5 is a"
        " guess.",
    )
    attack_tpr: float | None = Field(
        0.1,
        ge=0.01,
        le=1,
        description="Share of learnt rows that it may find while it is wrong about 1% of held-out ones; 0.01 is a"
        " guess. Not measured with fewer than 99 held-out rows.",
    )
    closer: float | None = Field(
        0.6,
        ge=0.5,
        le=1,
        description="Share of made rows that may be closer to learnt rows than to held-out ones, were there as many of"
        " either; 0.5 is chance.",
    )
    copies: float | None = Field(
        0.02,
        ge=0,
        le=1,
        description="Share of learnt rows that may be made again exactly, beyond that of held-out ones.",
    )
    singling_out: float | None = Field(
        0.05,
        ge=0,
        le=1,
        description="Share of what only one learnt row has (a value, two values together, words of a text) that made"
        " rows may have too, beyond that of held-out rows.",
    )
    k_anonymity: int | None = Field(
        None, ge=1, description="Made rows that must agree in all quasi-identifiers, at least; 5 is usual."
    )
    l_diversity: int | None = Field(
        None, ge=1, description="Values of each sensitive column that made rows which agree so must have, at least."
    )


class Privacy(Part):
    """How it is measured what made rows give away."""

    held_out: float = Field(
        0.2,
        gt=0,
        le=0.5,
        description="Share of each class's real rows that the model does not learn from, for comparison.",
    )
    quasi_identifiers: list[str] = Field([], description="Columns by which somebody might be found: age, postcode.")
    sensitive: list[str] = Field([], description="Columns that nobody shall learn of somebody who is found.")
    limits: PrivacyLimits = Field(PrivacyLimits(), description="A build that goes beyond one is not published.")


class Figure(Noun):
    """One measure of privacy, and its limit.

    `low` and `high` are the ends of its 95% interval; both are the value if it is counted and not estimated. A limit is
    broken if the whole interval lies beyond it, so that chance alone stops no build.
    """

    name: FigureName
    value: float
    low: float
    high: float
    limit: float | None = None

    @property
    def counted(self) -> bool:
        """Whether the measure is a number with a lower limit, and not a share with an upper limit."""
        return self.name in ("k_anonymity", "l_diversity")

    @property
    def holds(self) -> bool:
        """Whether the measure keeps to its limit."""
        if self.limit is None:
            return True
        return self.value >= self.limit if self.counted else self.low <= self.limit


class ClassPrivacy(Noun):
    """The privacy of one class: how many rows of each kind were compared, and the result of each measure."""

    learnt: int
    held_out: int
    made: int
    attack_auc: float
    closer: float
    copies: float
    attack_tpr: float | None = None
    singling_out: float | None = None


class Closeness(Noun):
    """Quantiles of the distance from made rows to the closest learnt row and to the closest held-out row."""

    quantiles: list[float]
    learnt: list[float]
    held_out: list[float]


class Groups(Noun):
    """Made rows grouped by quasi-identifiers: the number of groups, and of rows in groups below the limits."""

    groups: int
    below_k: int
    below_l: int
    rows: int


class PrivacyFindings(Noun):
    """What made rows reveal, by the measures of `asked`; `notes` say what could not be measured."""

    asked: Privacy
    figures: list[Figure] = Field([])
    classes: dict[str, ClassPrivacy] = Field({})
    closeness: Closeness | None = None
    groups: Groups | None = None
    notes: list[str] = Field([])

    @property
    def broken(self) -> list[Figure]:
        """The figures beyond their limits."""
        return [figure for figure in self.figures if not figure.holds]


class PrivacyBudget(Noun):
    """The budget (`epsilon`, `delta`) that a training with differential privacy spent, as `accountant` computes it.

    `noise_multiplier` is the standard deviation of the noise in multiples of `clip`, the largest norm of a row's
    gradient. Each row was in each of `steps` batches with probability `sample_rate`.
    """

    epsilon: float
    delta: float
    declared_epsilon: float
    noise_multiplier: float
    clip: float
    sample_rate: float
    steps: int
    accountant: str
