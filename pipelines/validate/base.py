"""The protocol that every validator follows: keep a candidate, or say why not.

A validator that compares candidates with one another gives each a *sketch*, and a fresh `Novelty` that reads the
sketches of one stratum in stream order. The driver sees sketches alone; rows never get there.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from traceback import extract_tb
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from generators.base import Params
from schemas.errors import MakeweightError, ValidatorError
from schemas.plan import Plan


@dataclass(frozen=True)
class Batch:
    """The candidates of one request.

    `table` has the source's columns and types. `fingerprints` holds a 64-bit hash of each row (uint64, as long as the
    table) over all columns but ids, or of an image's pixels. `stratum` is the requested class. `rows` holds positions
    in the source (int64): their own for real rows, those of their parents for augmented candidates; for others it is
    None.

    >>> batch = Batch(pa.table({"x": [1, 2]}), np.array([17, 42], np.uint64), "rare")
    >>> len(batch.table)
    2
    """

    table: pa.Table
    fingerprints: NDArray[np.uint64]
    stratum: str
    rows: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Verdict:
    """The verdict of a validator on a batch.

    `keep` (bool) is as long as the batch. `details` gives reasons of rejected rows, where there is more to say than the
    validator's name: a short text to the number of rows, in which each rejected row counts at most once. A reader sees
    `name: detail` (as in `schema: range of age`), and plain `name` for rejected rows that no detail counts.

    >>> Verdict(np.array([True, False]), {"range of age": 1}).keep.tolist()
    [True, False]
    """

    keep: NDArray[np.bool_]
    details: dict[str, int] = field(default_factory=dict)


def reasons_of(name: str, lost: int, details: dict[str, int]) -> dict[str, int]:
    """Return the rows that a validator of this name rejected by the reason that a reader sees."""
    if not lost:
        return {}
    return {f"{name}: {detail}": rows for detail, rows in details.items()} or {name: lost}


def is_reason_of(name: str, reason: str) -> bool:
    """Whether a reason that a reader sees is one of the validator of this name."""
    return reason == name or reason.startswith(f"{name}: ")


def first_faults(rows: int, faults: Iterable[tuple[str, NDArray[np.bool_]]]) -> Verdict:
    """Return the verdict on `rows` rows, where each fault marks some of them: a row counts under its first fault.

    >>> old, jobless = np.array([True, False, False]), np.array([True, True, False])
    >>> verdict = first_faults(3, [("too old", old), ("no job", jobless)])
    >>> verdict.keep.tolist(), verdict.details
    ([False, False, True], {'too old': 1, 'no job': 1})
    """
    keep, details = np.ones(rows, np.bool_), {}
    for detail, broken in faults:
        count = int(np.count_nonzero(keep & broken))
        if count:
            details[detail] = count
            keep &= ~broken
    return Verdict(keep, details)


@contextmanager
def explain_validator_errors(name: str, step: str) -> Iterator[None]:
    """Name the validator in an exception that a class of the user's own raises in `step` (`fit` or `check`).

    Raises ValidatorError for it. Errors of the system stay as they are: a step that met one is tried again.
    """
    try:
        yield
    except (MakeweightError, OSError, MemoryError):
        raise
    except Exception as error:
        if ":" not in name:
            raise
        frame = extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(frame.filename)}, line {frame.lineno}, in {frame.name}"
        raise ValidatorError(f"validator {name!r} failed in {step}: {error!r} ({where})") from error


class Validator(Protocol):
    """One check of candidates. `name` begins the reason of a rejected row.

    Building one is cheap and needs no heavy library, so that faults in `params` are found at plan time. The first
    sentence of its docstring is what `makeweight validators` shows. A validator may also be `Learning`, `Lenient` and
    `Sketching`. `pipelines.validate.checks.check_validator` tests whether a class keeps these promises.

    Example: the lines of a spec that choose validators and set a parameter.

        validate:
          - schema
          - duplicates
          - {name: label_agreement, params: {min_probability: 0.2}}
    """

    name: ClassVar[str]
    Params: ClassVar[type[Params]]

    def __init__(self, params: Any, plan: Plan) -> None: ...

    def fit(self, real: Iterable[Batch]) -> None:
        """Read all real rows once, streamed in batches that mix strata (`stratum` is then empty).

        The result does not depend on their order, nor on how they are split into batches.
        """

    def check(self, batch: Batch) -> Verdict:
        """Return which rows are kept; the verdict on a row does not depend on the rows around it."""

    def save(self, path: Path) -> None:
        """Write what `fit` learnt into the existing empty folder `path`; the same real rows, the same bytes."""

    def load(self, path: Path) -> None:
        """Read what `save` wrote. No file that others put into the folder can run code."""


@runtime_checkable
class Learning(Protocol):
    """A validator that learns from the real rows, as a model does, if `learns` is true: it is kept with the model."""

    learns: ClassVar[bool]


@runtime_checkable
class Lenient(Protocol):
    """A validator that keeps more rows where the parameter `lowered` is lower: who lacks rows is told of it."""

    lowered: ClassVar[str]


class Novelty(Protocol):
    """A memory of the accepted rows of one stratum; the driver uses it in stream order."""

    def admit(self, sketches: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which rows, one after the other, are new among those admitted so far, and remember the new ones."""


@runtime_checkable
class Sketching(Protocol):
    """A validator that also compares candidates with one another."""

    def sketch(self, batch: Batch) -> NDArray[Any]:
        """Return what `novelty` compares: uint64, of shape (rows,) or (rows, fixed width)."""

    def novelty(self) -> Novelty:
        """Return an empty memory for one stratum; it needs nothing that `fit` learnt."""
