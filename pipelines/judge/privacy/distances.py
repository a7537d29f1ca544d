"""Distances between real rows and made ones, whichever is closest, while made rows stream by. Knows points alone."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipelines.judge.privacy.vectors import Points

Floats = NDArray[np.float64]

BLOCK = 1024
"""Made rows that are compared at once; with 10,000 real ones that takes some 100 MB."""
_DIGITS = 6  # of a distance: what is less is rounding


@dataclass
class Closest:
    """The made row closest to each real one, and the real one closest to each made row, on either side.

    `real` holds the points of real rows, `learnt` which of them the model learnt from, `paired` as many of either side.
    `distance` is that of each real row to the closest made one (inf before any was added). `closest_of` counts made
    rows by the real one that is the closest of all; where one of either side is as close, each counts half. `to_learnt`
    and `to_held_out` are distances of made rows to the closest paired row.
    """

    real: Points
    learnt: NDArray[np.bool_]
    paired: NDArray[np.bool_]
    distance: Floats = field(init=False)
    closest_of: Floats = field(init=False)
    to_learnt: list[Floats] = field(default_factory=list)
    to_held_out: list[Floats] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.distance = np.full(len(self.real), np.inf)
        self.closest_of = np.zeros(len(self.real))

    def add(self, made: Points) -> None:
        """Compare with more made rows."""
        for start in range(0, len(made), BLOCK):
            self._add(made[start : start + BLOCK])

    def _add(self, made: Points) -> None:
        squared = _partly_squared(self.real, made)
        nearest = squared.argmin(axis=1)
        np.minimum(self.distance, distances(self.real, made[nearest]), out=self.distance)
        squared += (self.real**2).sum(axis=1)[:, None]
        for side, found in ((self.learnt, self.to_learnt), (~self.learnt, self.to_held_out)):
            found.append(self._from(made, squared, side & self.paired)[1])
        (row, learnt), (other, held_out) = (self._from(made, squared, side) for side in (self.learnt, ~self.learnt))
        half = np.where(learnt == held_out, 0.5, 0)
        np.add.at(self.closest_of, row, np.where(learnt < held_out, 1, half))
        np.add.at(self.closest_of, other, np.where(held_out < learnt, 1, half))

    def _from(self, made: Points, squared: Points, side: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Floats]:
        """Return the real row of that side that is the closest to each made one, and how far it is."""
        rows = np.flatnonzero(side)
        closest = rows[squared[rows].argmin(axis=0)]
        return closest, distances(made, self.real[closest])


def to_each_other(real: Points) -> Floats:
    """Return the distance of each point to the closest other one; there are two or more."""
    found = np.zeros(len(real))
    for start in range(0, len(real), BLOCK):
        here = real[start : start + BLOCK]
        squared = _partly_squared(here, real)
        squared[np.arange(len(here)), np.arange(start, start + len(here))] = np.inf
        found[start : start + BLOCK] = distances(here, real[squared.argmin(axis=1)])
    return found


def _partly_squared(rows: Points, columns: Points) -> Points:
    """Return the squared distance of each row to each column, but for the row's own square: it orders as that does."""
    return np.asarray((columns**2).sum(axis=1)[None, :] - 2 * (rows @ columns.T))


def distances(left: Points, right: Points) -> Floats:
    """Return the distance between each pair of points, rounded: equal ones are 0 apart."""
    difference = left.astype(np.float64) - right.astype(np.float64)
    return np.asarray(np.round(np.sqrt((difference**2).sum(axis=1)), _DIGITS))
