"""Parameters of the differentially private tabular model: the budget, and what is declared of each column."""

from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from generators import base
from schemas.access import Touch
from schemas.secrets import variable_name


def _as_text(value: Any) -> Any:
    """Return a date or time, which YAML reads from unquoted text, as ISO 8601 text."""
    return value.isoformat() if isinstance(value, date) else value


Value = Annotated[bool | int | float | str, BeforeValidator(_as_text)]


class Declared(base.Params):
    """What a column may hold, declared by somebody who did not look at the rows for it.

    >>> Declared(bounds=(0, 99)).bounds
    (0, 99)
    """

    bounds: tuple[Value, Value] | None = Field(
        None, description="Least and greatest number, date or time; what lies beyond counts as the nearest of them."
    )
    categories: tuple[Value, ...] | None = Field(
        None, description="All texts there are; of numbers, those with a chance of their own. Others count as missing."
    )
    bins: int | None = Field(None, ge=1, description="Bins of equal width between the bounds; left out: as for all.")
    decimals: int | None = Field(None, ge=0, le=15, description="Digits after the point of made numbers.")
    nulls: bool = Field(True, description="Whether cells of made rows may be missing.")

    @model_validator(mode="after")
    def _says_something(self) -> "Declared":
        if self.bounds is None and self.categories is None:
            raise ValueError("say bounds: [least, greatest] or categories: [...]")
        if self.bounds is None and not self.categories and not self.nulls:
            raise ValueError("without categories, bounds and nulls there is nothing to make; leave out nulls: false")
        return self


class DPAutoregressiveParams(base.Params):
    """Parameters of `dp_autoregressive`."""

    epsilon: float = Field(gt=0, description="The budget: the greatest privacy loss; 1 to 10 are usual.")
    delta: float | None = Field(
        None, gt=0, lt=1, description="Chance that more is lost; less than 1 / rows. Left out: a tenth of that."
    )
    columns: dict[str, Declared] = Field(
        {}, description="What each column may hold: {bounds: [0, 99]} or {categories: [a, b]}; booleans need none."
    )
    noise_key_env: Annotated[str, Touch("keys"), BeforeValidator(variable_name)] = Field(
        "MAKEWEIGHT_NOISE_KEY",
        min_length=1,
        description="Environment variable with a secret of 16 characters or more, from which the noise is drawn.",
    )
    clip: float = Field(1.0, gt=0, description="Greatest norm of a row's gradient; longer ones are cut to it.")
    epochs: Annotated[int, base.Lasting()] = Field(
        10, ge=1, description="Passes over the real rows; more passes need more noise."
    )
    batch_rows: int = Field(1024, ge=1, description="Rows in one step on average; a 32nd of a small table.")
    learning_rate: float = Field(0.01, gt=0, description="Highest learning rate.")
    hidden: int = Field(32, ge=1, description="Hidden units of each column's network.")
    embedding: int = Field(8, ge=1, description="Width of a column's embedding, at most.")
    bins: int = Field(20, ge=1, description="Bins of equal width between a column's bounds.")
