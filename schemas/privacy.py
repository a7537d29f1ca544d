"""What made rows may give away of the real rows: the limits that a user sets, and what was found."""

from pydantic import Field

from schemas.base import Part


class PrivacyLimits(Part):
    """What is measured may not go beyond these; a build that does is not published."""


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
    limits: PrivacyLimits = PrivacyLimits()
