"""Finds points that lie within 1 of one another in every coordinate, by a grid of hashed cells. Exact, without a tree.

A point is a group (uint64; only points of the same group are compared) and coordinates (float64, finite). Its cell is
the group together with the first few coordinates cut into steps of eight, hashed to 64 bits. Every neighbour of a point
lies in one of the cells that the point's surroundings touch: at most two along each of those coordinates, 1.25 on
average. All points in those cells are then compared in full, so no pair is missed, and no false one is found (except
for groups or cells with the same hash, 1 chance in 2^64 a pair). Knows nothing of columns or rows.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipelines.source.fingerprint import mix

Hashes = NDArray[np.uint64]
Indices = NDArray[np.int64]
Points = NDArray[np.float64]
Pairs = tuple[Indices, Indices]

PIVOTS = 4
"""The number of first coordinates that define the cell: with more, a point would touch too many cells."""

_STEP = 8.0
_REACH = 1.001  # a little over 1, so that rounding loses no neighbour; rounding is monotonic
_FARTHEST = 2.0**60  # steps; all points beyond share one cell
_WEIGHTS = mix(np.arange(1, PIVOTS + 1, dtype=np.uint64)) | np.uint64(1)
_PAIRS = 1 << 20  # pairs compared at once: bounds the memory, whatever the data


def own_cells(groups: Hashes, points: Points) -> Hashes:
    """Return the hash of each point's own cell."""
    return mix(groups + _hash_steps(_to_steps(points, 0.0)))


def touched_cells(groups: Hashes, points: Points) -> tuple[Indices, Hashes]:
    """Return (point, cell) pairs: every cell in which a neighbour of the point may lie."""
    low, high = _to_steps(points, -_REACH), _to_steps(points, _REACH)
    rows, cells = np.arange(len(groups)), groups + _hash_steps(low)
    for axis in np.flatnonzero((low != high).any(axis=0)):
        both = (low[:, axis] != high[:, axis])[rows]  # high is then the next step after low
        rows, cells = np.concatenate([rows, rows[both]]), np.concatenate([cells, cells[both] + _WEIGHTS[axis]])
    return rows, mix(cells)


def _to_steps(points: Points, shift: float) -> NDArray[np.int64]:
    """Return the steps of the shifted points, along the coordinates that define the cell."""
    steps = np.floor((points[:, :PIVOTS] + shift) / _STEP)
    return np.clip(steps, -_FARTHEST, _FARTHEST).astype(np.int64)


def _hash_steps(steps: NDArray[np.int64]) -> Hashes:
    hashes: Hashes = (steps.view(np.uint64) * _WEIGHTS[: steps.shape[1]]).sum(axis=1, dtype=np.uint64)
    return hashes


def is_near(left: Points, right: Points) -> NDArray[np.bool_]:
    """Return which pairs of points lie within 1 of one another in every coordinate.

    >>> is_near(np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([[1.0, 0.5], [1.1, 0.0]]))
    array([ True, False])
    """
    close: NDArray[np.bool_] = np.logical_and.reduce(np.abs(left - right) <= 1.0, axis=1)
    return close


class Cells:
    """Points sorted by cell, ready to be searched; any of the arrays may be mapped from a file.

    `keys` are the distinct cells in order (uint64); the points of cell k are `points[starts[k]:starts[k + 1]]`.
    """

    def __init__(self, keys: Hashes, starts: Indices, points: Points) -> None:
        self.keys = keys
        self.starts = starts
        self.points = points

    def is_near(self, groups: Hashes, points: Points) -> NDArray[np.bool_]:
        """Return which of the given points are near one of the indexed points."""
        result = np.zeros(len(groups), np.bool_)
        for given, indexed in self.candidates(groups, points):
            result[given[is_near(points[given], self.points[indexed])]] = True
        return result

    def candidates(self, groups: Hashes, points: Points) -> Iterator[Pairs]:
        """Yield (given point, indexed point) pairs of all that share a touched cell, by index, in bounded parts."""
        rows, cells = touched_cells(groups, points)
        order = np.argsort(cells)  # asking in order walks through the keys once
        rows, cells = rows[order], cells[order]
        positions = np.searchsorted(self.keys, cells)
        positions[positions == len(self.keys)] = 0
        exists = self.keys[positions] == cells if len(self.keys) else np.zeros(len(cells), np.bool_)
        rows, positions = rows[exists], positions[exists]
        begin, counts = self.starts[positions], self.starts[positions + 1] - self.starts[positions]
        ends = np.cumsum(counts)
        for first in range(0, int(ends[-1]) if len(ends) else 0, _PAIRS):
            pair = np.arange(first, min(first + _PAIRS, int(ends[-1])))
            which = np.searchsorted(ends, pair, side="right")
            yield rows[which], begin[which] + pair - (ends[which] - counts[which])


def sort_cells(cells: Hashes) -> tuple[Indices, Hashes, Indices]:
    """Return the order that sorts points by cell, the distinct cells, and their starts (and the last one's end)."""
    order = np.argsort(cells, kind="stable")
    ordered = cells[order]
    begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(cells) else order
    return order, ordered[begins], np.append(begins, len(cells))


def first_of_near(groups: Hashes, points: Points) -> NDArray[np.bool_]:
    """Return which points, one after the other, are near none that was taken before.

    Compares up to all pairs, so it is for at most some hundred points.
    """
    order, keys, starts = sort_cells(own_cells(groups, points))
    keep = np.ones(len(groups), np.bool_)
    for given, earlier in _close_pairs(Cells(keys, starts, points[order]), groups, points, order):
        if keep[earlier]:
            keep[given] = False
    return keep


def _close_pairs(cells: Cells, groups: Hashes, points: Points, order: Indices) -> list[tuple[int, int]]:
    """Return the (later, earlier) pairs of near points, sorted by the later one."""
    pairs: list[tuple[int, int]] = []
    for given, indexed in cells.candidates(groups, points):
        earlier = order[indexed]
        close = (earlier < given) & is_near(points[given], points[earlier])
        pairs += zip(given[close].tolist(), earlier[close].tolist(), strict=True)
    return sorted(pairs)
