"""The protocol that every generator follows. Knows neither Ray nor Prefect: a generator runs in a notebook."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, get_args, runtime_checkable

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from schemas.errors import Fault, SpecError
from schemas.evaluation import Remedy
from schemas.plan import SampleRequest


class Params(BaseModel):
    """Base class of the parameters of a generator or a validator: frozen, unknown keys are refused.

    >>> from pydantic import Field
    >>> class NoiseParams(Params):
    ...     scale: float = Field(0.1, gt=0, description="Standard deviation of the noise.")
    >>> NoiseParams(scale=0.5)
    NoiseParams(scale=0.5)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


class Lasting:
    """The mark of a parameter that says how long a generator learns: the longer, the closer to single real rows."""


def lasting(params: type[BaseModel]) -> list[str]:
    """Return the parameters that say how long a generator learns."""
    return [name for name, field in params.model_fields.items() if any(isinstance(m, Lasting) for m in field.metadata)]


Origin = Literal["synthetic", "augmented"]
"""What the rows of a generator are."""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a generator can do and what it needs, known before one is built.

    `modalities` are the kinds of source that it makes rows of. `origin` is what its rows are: "synthetic", or
    "augmented" where each is made from one real row, which it then names in the column `_parent_row`.

    `min_chunk_rows` and `max_chunk_rows` are the smallest and the largest sensible request. `min_class_rows` is the
    fewest real rows of a class that it can learn from.

    `uses_gpu` says that it is faster on a GPU, `needs_gpu` that it does not run without one. `packages` are the
    distributions that it needs beside those that makeweight installs. `licence` is the licence of what it runs on,
    where that is not a free one.

    `skips` are the default validators that make no sense for its rows.

    Two are about images: `needs_one_size` says that it learns from images of one size alone, `makes_objects` that it
    also makes the objects that are marked in them. One is about tables: `smooths_private` says that, of a field whose
    metadata are `schemas.arrow.PRIVATE`, it shows no value that only few rows hold.

    `differentially_private` promises that only its own accounted training looks at real rows: no validator may look at
    real rows for it. Its method `check(schema, label, rows)` raises GeneratorError for what is wrong before the
    training, and `save` writes a `schemas.privacy.PrivacyBudget` to the file `BUDGET`.

    `remedy` is what it does, where that is one of the remedies that an evaluation compares a build with.

    Raises SpecError for values that contradict themselves.

    >>> Capabilities(modalities=("tabular",), min_class_rows=2).origin
    'synthetic'
    """

    modalities: tuple[str, ...]
    origin: Origin = "synthetic"
    min_chunk_rows: int = 64
    max_chunk_rows: int = 4096
    min_class_rows: int = 1
    uses_gpu: bool = False
    needs_gpu: bool = False
    packages: tuple[str, ...] = ()
    licence: str = ""
    skips: frozenset[str] = frozenset()
    needs_one_size: bool = False
    makes_objects: bool = False
    smooths_private: bool = False
    differentially_private: bool = False
    remedy: Remedy | None = None

    def __post_init__(self) -> None:
        for problem in _capability_faults(self):
            raise SpecError(Fault(("generator", "name"), f"the capabilities of a generator: {problem}"))


def _capability_faults(capabilities: Capabilities) -> Iterator[str]:
    """Yield what is impossible among the capabilities, each fault as a sentence."""
    for name in ("modalities", "packages"):
        if not isinstance(getattr(capabilities, name), tuple):
            yield f'{name} must be a tuple of names, got {getattr(capabilities, name)!r}; write ("tabular",) for one'
    if not capabilities.modalities:
        yield 'modalities is empty; name at least one, as in ("tabular",)'
    if capabilities.origin not in get_args(Origin):
        yield f"origin must be {' or '.join(map(repr, get_args(Origin)))}, got {capabilities.origin!r}"
    if not 1 <= capabilities.min_chunk_rows <= capabilities.max_chunk_rows:
        got = f"{capabilities.min_chunk_rows} and {capabilities.max_chunk_rows}"
        yield f"min_chunk_rows must be at least 1 and at most max_chunk_rows, got {got}"
    if capabilities.min_class_rows < 1:
        yield f"min_class_rows must be at least 1, got {capabilities.min_class_rows}"


class Generator(Protocol):
    """A model that makes rows of a given class.

    `Params` lists the parameters, `capabilities` what the generator can do and needs. The first sentence of the class's
    docstring is what `makeweight generators` shows. Importing the class is cheap: heavy libraries are imported inside
    the methods. A generator prints nothing. `generators.checks.check_generator` tests whether a class keeps these
    promises.

    Example: the lines of a spec that choose a generator and set its parameters.

        generator:
          name: smote
          params: {k_neighbors: 5}
    """

    Params: ClassVar[Any]  # a subclass of `Params`
    capabilities: ClassVar[Capabilities]

    def __init__(self, params: Any) -> None: ...

    def fit(self, table: pa.Table, label: str, seed: int) -> None:
        """Learn from `table`, whose string column `label` holds each row's class (never null).

        Other columns are bool, int64, double, string, date32 or timestamp, each with possible nulls, or an image and
        its objects (see `schemas.arrow`), never null. Same table, label and seed: same model. Leaves the global random
        state as it was. Raises GeneratorError with the class named where a class is too small, and for no rows.
        """

    def sample(self, request: SampleRequest) -> pa.Table:
        """Return `request.rows` rows with the columns and types of the fitted table, in its order.

        Every row's `label` is `request.stratum`. The same request gives the same rows, in any process. Values have the
        range and the form of the real ones: a number, date or time lies between the least and the greatest real one; a
        text of a table is one of the real texts; a text of a modality `text` is not empty; an image has the encoding of
        the real ones, and their size where all have one size. An augmenting generator adds the column `_parent_row`
        (int64: the row of the fitted table that each was made from). Raises GeneratorError with the class named where
        the fitted table held no row of it.
        """

    def save(self, path: Path) -> None:
        """Write the model into the existing empty folder `path`, ready for any device."""

    def load(self, path: Path, device: str) -> None:
        """Read what `save` wrote, onto `device` (`cpu` or `cuda`).

        No file that others put into the folder can run code.
        """


@dataclass(frozen=True)
class TrainingProgress:
    """How far a training is: `loss` is the mean since the last report, `held_out` the loss on held-out rows.

    >>> TrainingProgress(step=50, steps=400, loss=0.7)
    TrainingProgress(step=50, steps=400, loss=0.7, held_out=None)
    """

    step: int
    steps: int
    loss: float
    held_out: float | None = None


class Training(Protocol):
    """Watches a training and keeps its state, so that a training that was killed can continue."""

    def report(self, progress: TrainingProgress) -> None:
        """Receive the progress of the training."""

    def restore(self) -> bytes | None:
        """Return the state that was kept last, or None at the first start."""

    def keep(self, state: bytes) -> None:
        """Keep the state. A kill leaves the old state or the new one, never a part."""


class Unwatched:
    """A `Training` that reports to nobody and keeps nothing: a killed training starts again."""

    def report(self, progress: TrainingProgress) -> None:
        """Do nothing."""

    def restore(self) -> bytes | None:
        """Return None."""
        return None

    def keep(self, state: bytes) -> None:
        """Do nothing."""


@runtime_checkable
class Trainable(Protocol):
    """A generator whose fit takes long: it reports its progress, and continues after a kill."""

    def train(self, table: pa.Table, label: str, seed: int, training: Training) -> None:
        """Do what `fit` does. A training that was killed and continued ends with the same model as one that was not."""
