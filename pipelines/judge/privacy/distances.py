"""Distances between real and made rows to their closest ones, while made rows stream by. Knows points alone."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipelines.judge.privacy.vectors import Points

Floats = NDArray[np.float64]

BLOCK = 1024
"""Made rows compared at once; with 10,000 real ones that takes some 100 MB."""
_DIGITS = 6  # of a distance: smaller differences are rounding


@dataclass
class Closest:
    """The closest made row of each real one, and the closest real one of each made row, on either side.

    `real` holds the points of real rows; `learnt` marks those that the model learnt from, `paired` equally many of
    either side. `distance` is that of each real row to the closest made one (inf before any was added). `closest_of`
    counts made rows by the real row that is closest of all; where one of either side is equally close, each counts
    half. `to_learnt` and `to_held_out` are distances of made rows to the closest paired row.
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
            self._add_block(made[start : start + BLOCK])

    def _add_block(self, made: Points) -> None:
        squared = _ordering_distances(self.real, made)
        nearest = squared.argmin(axis=1)
        np.minimum(self.distance, distances(self.real, made[nearest]), out=self.distance)
        squared += (self.real**2).sum(axis=1)[:, None]
        for side, side_distances in ((self.learnt, self.to_learnt), (~self.learnt, self.to_held_out)):
            side_distances.append(self._find_closest(made, squared, side & self.paired)[1])
        (row, learnt), (other, held_out) = (
            self._find_closest(made, squared, side) for side in (self.learnt, ~self.learnt)
        )
        half = np.where(learnt == held_out, 0.5, 0)
        np.add.at(self.closest_of, row, np.where(learnt < held_out, 1, half))
        np.add.at(self.closest_of, other, np.where(held_out < learnt, 1, half))

    def _find_closest(self, made: Points, squared: Points, side: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Floats]:
        """Return the closest real row of that side for each made row, and its distance."""
        rows = np.flatnonzero(side)
        closest = rows[squared[rows].argmin(axis=0)]
        return closest, distances(made, self.real[closest])


def to_each_other(real: Points) -> Floats:
    """Return the distance of each point to the closest other one, for at least two points."""
    closest = np.zeros(len(real))
    for start in range(0, len(real), BLOCK):
        block = real[start : start + BLOCK]
        squared = _ordering_distances(block, real)
        squared[np.arange(len(block)), np.arange(start, start + len(block))] = np.inf
        closest[start : start + BLOCK] = distances(block, real[squared.argmin(axis=1)])
    return closest


def _ordering_distances(rows: Points, columns: Points) -> Points:
    """Return squared distances of rows to columns, without the row's own square, which does not change the order."""
    return np.asarray((columns**2).sum(axis=1)[None, :] - 2 * (rows @ columns.T))


def distances(left: Points, right: Points) -> Floats:
    """Return the distance between each pair of points, rounded so that equal ones are 0 apart.

    >>> distances(np.array([[0, 0]], np.float32), np.array([[3, 4]], np.float32))
    array([5.])
    """
    difference = left.astype(np.float64) - right.astype(np.float64)
    return np.asarray(np.round(np.sqrt((difference**2).sum(axis=1)), _DIGITS))
