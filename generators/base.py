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
    """Base of a generator's or validator's parameters: frozen, unknown keys refused."""

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

    `uses_gpu` says that it gains from a GPU, `needs_gpu` that it does not run without one. `packages` are the
    distributions that it needs beside those that makeweight installs. `licence` is the licence of what it runs on,
    where that is not a free one.

    `skips` are the default validators that make no sense for its rows.

    Of images: `needs_one_size` says that it learns from images of one size alone, `makes_objects` that it also makes
    what is marked in them. Of tables: `smooths_private` says that it shows no value that few rows hold of a field whose
    metadata are `schemas.arrow.PRIVATE`.

    `differentially_private` promises that no real row is looked at but by its own accounted training: no validator may
    look at real rows for it. Its method `check(schema, label, rows)` raises GeneratorError for what is wrong before the
    training, and `save` writes a `schemas.privacy.PrivacyBudget` to the file `BUDGET`.

    `remedy` is what it does, where that is one of the remedies that an evaluation compares a build with.

    Raises SpecError for what no generator can be.

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


def _capability_faults(given: Capabilities) -> Iterator[str]:
    """Yield what no generator can be, each fault as a sentence."""
    for name in ("modalities", "packages"):
        if not isinstance(getattr(given, name), tuple):
            yield f'{name} must be a tuple of names, got {getattr(given, name)!r}; write ("tabular",) for one'
    if not given.modalities:
        yield 'modalities is empty; name at least one, as in ("tabular",)'
    if given.origin not in get_args(Origin):
        yield f"origin must be {' or '.join(map(repr, get_args(Origin)))}, got {given.origin!r}"
    if not 1 <= given.min_chunk_rows <= given.max_chunk_rows:
        got = f"{given.min_chunk_rows} and {given.max_chunk_rows}"
        yield f"min_chunk_rows must be at least 1 and at most max_chunk_rows, got {got}"
    if given.min_class_rows < 1:
        yield f"min_class_rows must be at least 1, got {given.min_class_rows}"


class Generator(Protocol):
    """A model that makes rows of a given class.

    `Params` lists the parameters, `capabilities` what it can do and needs. The first sentence of its docstring is what
    `makeweight generators` shows. Importing the class is cheap: heavy libraries are imported inside the methods. It
    prints nothing.
    `generators.checks.check_generator` says whether a class keeps these promises.
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

        Every row's `label` is `request.stratum`. Same request, same rows, in any process. Values have the range and the
        form of the real ones: an ordered one lies between their extremes, a text of a table is one of theirs, a text of
        texts is not empty, an image has their size, where that is one, and their encoding. An augmenting generator adds
        the column `_parent_row` (int64: the row of the fitted table that each was made from). Raises GeneratorError
        with the class named where the model was fitted on no row of it.
        """

    def save(self, path: Path) -> None:
        """Write the model into the existing empty folder `path`, ready for any device."""

    def load(self, path: Path, device: str) -> None:
        """Read what `save` wrote, onto `device` (`cpu` or `cuda`). No file that others put there can run code."""


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
