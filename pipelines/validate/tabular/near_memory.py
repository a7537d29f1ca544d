"""The memory of accepted rows for near-duplicates; `FingerprintSet` is that for exact ones."""

import numpy as np
from numpy.typing import NDArray

from pipelines.validate.memory import Slots
from pipelines.validate.tabular.grid import (
    Hashes,
    Indices,
    Points,
    first_of_near,
    is_near,
    own_cells,
    sort_cells,
    touched_cells,
)

_BLOCK = 512  # rows admitted at once: bounds the pairs among them


class NearSet:
    """The accepted points (see `grid`): a Novelty. `pack` makes the sketches.

    The points of each cell form a chain: the cell's slot leads to its newest point, and each point to the one before
    it. It takes the size of a sketch and some 30 bytes for each point.
    """

    def __init__(self) -> None:
        self._slots = Slots()
        self._newest = np.full(len(self._slots.keys), -1, np.int64)
        self._points: Points = np.zeros((0, 0))
        self._before: Indices = np.zeros(0, np.int64)
        self._count = 0

    def __len__(self) -> int:
        """Return the number of points."""
        return self._count

    def admit(self, sketches: Hashes) -> NDArray[np.bool_]:
        """Return which points are near no accepted one, nor one admitted earlier in this call; remember these."""
        new = np.zeros(len(sketches), np.bool_)
        for start in range(0, len(sketches), _BLOCK):
            groups, points = unpack(sketches[start : start + _BLOCK])
            fresh = np.flatnonzero(~self._is_near(groups, points))
            fresh = fresh[first_of_near(groups[fresh], points[fresh])]
            self._remember(groups[fresh], points[fresh])
            new[start + fresh] = True
        return new

    def _is_near(self, groups: Hashes, points: Points) -> NDArray[np.bool_]:
        """Return which points are near an accepted one, following all chains at once."""
        rows, cells = touched_cells(groups, points)
        slots = self._slots.find(cells)
        near = np.zeros(len(points), np.bool_)
        rows, newest = rows[slots >= 0], self._newest[slots[slots >= 0]]
        while len(rows):
            near[rows[is_near(points[rows], self._points[newest])]] = True
            newest = self._before[newest]
            go_on = (newest >= 0) & ~near[rows]
            rows, newest = rows[go_on], newest[go_on]
        return near

    def _remember(self, groups: Hashes, points: Points) -> None:
        self._make_room(points)
        order, keys, starts = sort_cells(own_cells(groups, points))
        slots, new = self._slots.insert(keys)
        last = np.where(new, -1, self._newest[slots])
        indices = self._count + np.arange(len(points))
        self._points[indices] = points[order]
        self._before[indices] = indices - 1
        self._before[indices[starts[:-1]]] = last
        self._newest[slots] = self._count + starts[1:] - 1
        self._count += len(points)

    def _make_room(self, points: Points) -> None:
        moved = self._slots.reserve(len(points))
        if moved is not None:
            newest = np.full(len(self._slots.keys), -1, np.int64)
            newest[moved[moved >= 0]] = self._newest[moved >= 0]
            self._newest = newest
        if self._count + len(points) > len(self._before):
            size = max(2 * len(self._before), self._count + len(points), 1024)
            self._before = np.resize(self._before, size)
            points_with_room = np.empty((size, points.shape[1]))
            points_with_room[: self._count] = self._points[: self._count].reshape(self._count, points.shape[1])
            self._points = points_with_room


def pack(groups: Hashes, points: Points) -> Hashes:
    """Return groups and points as sketches: uint64 of shape (rows, 1 + coordinates), with the coordinates' bits."""
    return np.column_stack([groups, np.ascontiguousarray(points).view(np.uint64)])


def unpack(sketches: Hashes) -> tuple[Hashes, Points]:
    """Return the groups and points of sketches."""
    return np.ascontiguousarray(sketches[:, 0]), np.ascontiguousarray(sketches[:, 1:]).view(np.float64)
