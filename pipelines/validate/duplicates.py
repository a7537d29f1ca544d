"""Refuses exact duplicates: no candidate may equal a real row, or a row that was accepted before.

Rows are compared by their 64-bit fingerprints, of all columns but ids. Among 10 million rows the chance that any two
different ones share a fingerprint is 3 in a million; such a row would be rejected, never wrongly accepted.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from generators import base
from pipelines.storage.arrays import map_array
from pipelines.validate.base import Batch, Verdict
from pipelines.validate.memory import FingerprintSet
from schemas.plan import Plan

_FILE = "real.npy"


class DuplicatesParams(base.Params):
    """The rows that candidates are compared with."""

    against_real: bool = Field(True, description="Refuse copies of real rows.")
    among_synthetic: bool = Field(True, description="Refuse copies of rows of the same class accepted before.")


class Duplicates:
    """Refuses exact copies of real rows, and of accepted rows.

    The sketches are the fingerprints: uint64, shape (rows,).

    Example:
        validate: [{name: duplicates, params: {against_real: false}}]

    """

    name: ClassVar[str] = "duplicates"
    Params: ClassVar[type[base.Params]] = DuplicatesParams

    def __init__(self, params: DuplicatesParams, plan: Plan) -> None:  # noqa: ARG002 (the protocol's)
        self._params = params
        self._real: NDArray[np.uint64] = np.zeros(0, np.uint64)

    def fit(self, real: Iterable[Batch]) -> None:
        """Remember the fingerprints of the real rows: 8 bytes a row, for a short time 16."""
        if self._params.against_real:
            self._real = _sort_distinct([batch.fingerprints for batch in real])

    def check(self, batch: Batch) -> Verdict:
        """Refuse rows whose fingerprint is that of a real row."""
        copies = contains(self._real, batch.fingerprints)
        count = int(copies.sum())
        return Verdict(~copies, {"copy of a real row": count} if count else {})

    def sketch(self, batch: Batch) -> NDArray[np.uint64]:
        """Return the fingerprints."""
        return batch.fingerprints

    def novelty(self) -> "FingerprintSet | AdmitAll":
        """Return an empty memory of fingerprints, or one that admits all where synthetic rows are not compared."""
        return FingerprintSet() if self._params.among_synthetic else AdmitAll()

    def save(self, path: Path) -> None:
        """Write the sorted fingerprints as one npy file."""
        np.save(path / _FILE, self._real)

    def load(self, path: Path) -> None:
        """Map the file into memory: actors on one machine share its pages."""
        self._real = map_array(path / _FILE)


class AdmitAll:
    """A Novelty that admits every row."""

    def admit(self, sketches: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return true for each row."""
        return np.ones(len(sketches), np.bool_)


def contains(values: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which of the `wanted` values are in the sorted array `values`.

    The wanted values are searched in sorted order, which walks through `values` once: several times as fast as jumping
    about.

    >>> contains(np.array([1, 3, 5], np.uint64), np.array([5, 2], np.uint64))
    array([ True, False])
    """
    if not len(values):
        return np.zeros(len(wanted), np.bool_)
    order = np.argsort(wanted)
    ordered = wanted[order]
    indices = np.searchsorted(values, ordered)
    indices[indices == len(values)] = 0
    is_contained = np.empty(len(wanted), np.bool_)
    is_contained[order] = values[indices] == ordered
    return is_contained


def _sort_distinct(parts: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """Return the sorted distinct values; the list of parts is emptied to save memory."""
    if not parts:
        return np.zeros(0, np.uint64)
    values = np.concatenate(parts)
    parts.clear()
    values.sort()
    first = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=first[1:])
    return values if first.all() else values[first]
