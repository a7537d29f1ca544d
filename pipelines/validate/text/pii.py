"""Refuses personal data: e-mail addresses, phone, card, account and identity numbers, and IP addresses.

Numbers count only if they are valid: phone numbers by Google's libphonenumber, cards, accounts and identity numbers by
their check digits in python-stdnum. A valid number may belong to nobody; that is not known here. The verdict names the
kind that was found, never the value.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from generators import base
from pipelines.validate.base import Batch, Verdict
from pipelines.validate.text import personal
from pipelines.validate.text.words import list_texts
from schemas.plan import Plan

Kind = Literal["email", "phone", "card", "iban", "ip", "national_id"]
KINDS: tuple[Kind, ...] = ("email", "phone", "card", "iban", "ip", "national_id")


class PiiParams(base.Params):
    """Which kinds of personal data are searched."""

    kinds: list[Kind] = Field(list(KINDS), min_length=1, description="What is looked for.")
    regions: list[str] = Field(
        [], description="ISO 3166 countries of phone numbers without a country code, and of identity numbers."
    )

    @field_validator("regions")
    @classmethod
    def _are_countries(cls, regions: list[str]) -> list[str]:
        wrong = [region for region in regions if not personal.is_region(region)]
        if wrong:
            raise ValueError(f"{', '.join(map(repr, wrong))}: no country; give two-letter codes, as in [US, GB]")
        return [region.upper() for region in regions]


class Pii:
    """Refuses texts that hold personal data; each counts under the first kind that it holds.

    Example:
        validate: [text, {name: pii, params: {kinds: [email, phone], regions: [US]}}]

    """

    name: ClassVar[str] = "pii"
    Params: ClassVar[type[base.Params]] = PiiParams

    def __init__(self, params: PiiParams, plan: Plan) -> None:
        self._text = plan.profile.text
        regions = params.regions
        finders: dict[Kind, Callable[[str], bool]] = {
            "email": personal.has_email,
            "phone": lambda text: personal.has_phone(text, regions),
            "card": personal.has_card,
            "iban": personal.has_iban,
            "ip": personal.has_ip,
            "national_id": lambda text: personal.has_national_id(text, regions),
        }
        self._finders = {kind: finders[kind] for kind in KINDS if kind in params.kinds}

    def fit(self, real: Iterable[Batch]) -> None:
        """Learn nothing."""

    def check(self, batch: Batch) -> Verdict:
        """Refuse texts with personal data; its kind is the detail."""
        texts = list_texts(batch.table.column(self._text))
        kinds = [next((kind for kind, has in self._finders.items() if has(text)), None) for text in texts]
        details: dict[str, int] = {kind: kinds.count(kind) for kind in self._finders if kind in kinds}
        return Verdict(np.array([kind is None for kind in kinds], np.bool_), details)

    def save(self, path: Path) -> None:
        """Write nothing: nothing is learnt."""

    def load(self, path: Path) -> None:
        """Read nothing."""
