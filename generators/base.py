"""The protocol that every generator follows. Knows neither Ray nor Prefect: a generator runs in a notebook."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from schemas.plan import SampleRequest


class Params(BaseModel):
    """Base of a generator's or validator's parameters: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Generator(Protocol):
    """A model that makes rows of a given class.

    `Params` lists the parameters; `min_chunk_rows` and `max_chunk_rows` are the smallest and the largest sensible
    request; `min_class_rows` is the fewest real rows of a class that it can learn from; `origin` says what its rows
    are; `uses_gpu` whether it gains from one; `modalities` what it can make; `skips` names default validators that make
    no sense for it. A generator of images may say `one_size = True` (it learns from images of one size alone) and
    `objects = True` (it makes what is marked in them too); one of tables `smooths_private = True` (of a field whose
    metadata are `schemas.arrow.PRIVATE` it shows no value that few rows hold). One that says `differentially_private =
    True`: no validator may look at real rows for it, its method `check(schema, label, rows)` raises
    GeneratorError for what is wrong beforehand, and `save` writes a `schemas.privacy.PrivacyBudget` to `BUDGET`.
    Importing the class is cheap: heavy libraries are imported inside the methods.
    """

    Params: ClassVar[Any]  # a subclass of `Params`
    modalities: ClassVar[tuple[str, ...]]
    skips: ClassVar[frozenset[str]]
    min_chunk_rows: ClassVar[int]
    max_chunk_rows: ClassVar[int]
    min_class_rows: ClassVar[int]
    origin: ClassVar[str]  # "synthetic" or "augmented"
    uses_gpu: ClassVar[bool]

    def __init__(self, params: Any) -> None: ...

    def fit(self, table: pa.Table, label: str, seed: int) -> None:
        """Learn from `table`, whose string column `label` holds each row's class (never null).

        Other columns are bool, int64, double, string, date32 or timestamp, each with possible nulls, or an image and
        its objects (see `schemas.arrow`), never null. Same table, label and seed: same model. Leaves the global random
        state as it was. Raises GeneratorError with the class named where a class is too small.
        """

    def sample(self, request: SampleRequest) -> pa.Table:
        """Return `request.rows` rows with the columns and types of the fitted table, in its order.

        Every row's `label` is `request.stratum`. Same request, same rows, in any process. An augmenting generator adds
        the column `_parent_row` (int64: the row of the fitted table that each was made from).
        """

    def save(self, path: Path) -> None:
        """Write the model into the existing empty folder `path`, ready for any device."""

    def load(self, path: Path, device: str) -> None:
        """Read what `save` wrote, onto `device` (`cpu` or `cuda`)."""


@dataclass(frozen=True)
class TrainingProgress:
    """How far a training is: `loss` is the mean since the last report, `held_out` that on rows it does not learn."""

    step: int
    steps: int
    loss: float
    held_out: float | None = None


class Training(Protocol):
    """Watches a training, and keeps its state, so that one that was killed goes on where it was."""

    def report(self, progress: TrainingProgress) -> None:
        """Hear how far it is."""

    def restore(self) -> bytes | None:
        """Return the state that was kept last, or nothing at the first start."""

    def keep(self, state: bytes) -> None:
        """Keep the state; it is there whole or not at all."""


class Unwatched:
    """A training that nobody watches, and that begins anew when it is killed."""

    def report(self, progress: TrainingProgress) -> None:
        """Do nothing."""

    def restore(self) -> bytes | None:
        """Return nothing."""
        return None

    def keep(self, state: bytes) -> None:
        """Do nothing."""


@runtime_checkable
class Trainable(Protocol):
    """A generator whose fit takes long: it can be watched, and goes on after a kill."""

    def train(self, table: pa.Table, label: str, seed: int, training: Training) -> None:
        """Do what `fit` does. A training that was killed and goes on ends with the same model as one that was not."""
