"""Finding points that lie within 1 of one another in every coordinate, by a grid of hashed cells. Exact, no tree.

A point is a group (uint64; only points of the same group are compared) and coordinates (float64, finite). Its cell is
the group with the first few coordinates cut into steps of eight, hashed to 64 bits. Whatever is within 1 of a point
lies in one of the cells that its surroundings touch: two at most along each of those coordinates, 1.25 on average. All
points in those cells are then compared in full, so no pair is missed, and none is found that is not one (but for groups
or cells with the same hash, 1 chance in 2^64 a pair). Knows nothing of columns or rows.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipelines.source.fingerprint import mix

Words = NDArray[np.uint64]
Places = NDArray[np.int64]
Points = NDArray[np.float64]
Pairs = tuple[Places, Places]

PIVOTS = 4
"""How many of the first coordinates make up the cell: more would touch more cells than they tell apart."""

_STEP = 8.0
_REACH = 1.001  # a little over 1, so that rounding loses no neighbour; rounding is monotonic
_FARTHEST = 2.0**60  # steps; whatever lies beyond shares one cell
_WEIGHTS = mix(np.arange(1, PIVOTS + 1, dtype=np.uint64)) | np.uint64(1)
_PAIRS = 1 << 20  # pairs compared at once: bounds the memory, whatever the data


def own_cells(groups: Words, points: Points) -> Words:
    """Return the hash of each point's own cell."""
    return mix(groups + _weigh(_cut(points, 0.0)))


def touched_cells(groups: Words, points: Points) -> tuple[Places, Words]:
    """Return (point, cell) pairs: every cell in which a neighbour of the point would lie."""
    low, high = _cut(points, -_REACH), _cut(points, _REACH)
    rows, cells = np.arange(len(groups)), groups + _weigh(low)
    for axis in np.flatnonzero((low != high).any(axis=0)):
        both = (low[:, axis] != high[:, axis])[rows]  # high is then the next step after low
        rows, cells = np.concatenate([rows, rows[both]]), np.concatenate([cells, cells[both] + _WEIGHTS[axis]])
    return rows, mix(cells)


def _cut(points: Points, shift: float) -> NDArray[np.int64]:
    """Return the steps, along the coordinates that make up the cell, on which the shifted points lie."""
    steps = np.floor((points[:, :PIVOTS] + shift) / _STEP)
    return np.clip(steps, -_FARTHEST, _FARTHEST).astype(np.int64)


def _weigh(steps: NDArray[np.int64]) -> Words:
    weighed: Words = (steps.view(np.uint64) * _WEIGHTS[: steps.shape[1]]).sum(axis=1, dtype=np.uint64)
    return weighed


def near(left: Points, right: Points) -> NDArray[np.bool_]:
    """Return for each pair of points whether they lie within 1 of one another in every coordinate."""
    close: NDArray[np.bool_] = np.logical_and.reduce(np.abs(left - right) <= 1.0, axis=1)
    return close


class Cells:
    """Points sorted by cell, ready to be searched; any of the arrays may be mapped from a file.

    `keys` are the distinct cells in order (uint64); the points of the k-th are `points[starts[k]:starts[k + 1]]`.
    """

    def __init__(self, keys: Words, starts: Places, points: Points) -> None:
        self.keys = keys
        self.starts = starts
        self.points = points

    def near(self, groups: Words, points: Points) -> NDArray[np.bool_]:
        """Return for each of the given points whether one of those held is near it."""
        found = np.zeros(len(groups), np.bool_)
        for given, held in self.candidates(groups, points):
            found[given[near(points[given], self.points[held])]] = True
        return found

    def candidates(self, groups: Words, points: Points) -> Iterator[Pairs]:
        """Yield (given, held) places of all points that share a touched cell, in bounded lots."""
        rows, cells = touched_cells(groups, points)
        order = np.argsort(cells)  # asking in order walks through the keys once
        rows, cells = rows[order], cells[order]
        places = np.searchsorted(self.keys, cells)
        places[places == len(self.keys)] = 0
        held = self.keys[places] == cells if len(self.keys) else np.zeros(len(cells), np.bool_)
        rows, places = rows[held], places[held]
        begin, counts = self.starts[places], self.starts[places + 1] - self.starts[places]
        ends = np.cumsum(counts)
        for first in range(0, int(ends[-1]) if len(ends) else 0, _PAIRS):
            pair = np.arange(first, min(first + _PAIRS, int(ends[-1])))
            which = np.searchsorted(ends, pair, side="right")
            yield rows[which], begin[which] + pair - (ends[which] - counts[which])


def sort_cells(cells: Words) -> tuple[Places, Words, Places]:
    """Return the order that sorts points by cell, the distinct cells, and where each begins (and the last ends)."""
    order = np.argsort(cells, kind="stable")
    ordered = cells[order]
    begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(cells) else order
    return order, ordered[begins], np.append(begins, len(cells))


def first_of_near(groups: Words, points: Points) -> NDArray[np.bool_]:
    """Take the points one after the other, and return which are near none that was taken before.

    Compares up to all pairs: for at most some hundred points.
    """
    order, keys, starts = sort_cells(own_cells(groups, points))
    keep = np.ones(len(groups), np.bool_)
    for given, held in _close_pairs(Cells(keys, starts, points[order]), groups, points, order):
        if keep[held]:
            keep[given] = False
    return keep


def _close_pairs(cells: Cells, groups: Words, points: Points, order: Places) -> list[tuple[int, int]]:
    """Return the (later, earlier) pairs of near points, by the later one."""
    pairs: list[tuple[int, int]] = []
    for given, held in cells.candidates(groups, points):
        earlier = order[held]
        close = (earlier < given) & near(points[given], points[earlier])
        pairs += zip(given[close].tolist(), earlier[close].tolist(), strict=True)
    return sorted(pairs)
