"""The memory of accepted rows for near-duplicates: what FingerprintSet is for exact ones."""

import numpy as np
from numpy.typing import NDArray

from pipelines.validate.memory import Slots
from pipelines.validate.tabular.grid import (
    Places,
    Points,
    Words,
    first_of_near,
    near,
    own_cells,
    sort_cells,
    touched_cells,
)

_BLOCK = 512  # rows taken at once: bounds the pairs among them


class NearSet:
    """The accepted points (see `grid`): a Novelty. Sketches are as `pack` makes them.

    Each cell's points are a chain: the cell's place in the table leads to its newest point, and each point to the one
    before it. Takes the size of a sketch and some 30 bytes for each point.
    """

    def __init__(self) -> None:
        self._slots = Slots()
        self._newest = np.full(len(self._slots.keys), -1, np.int64)
        self._points: Points = np.zeros((0, 0))
        self._before: Places = np.zeros(0, np.int64)
        self._held = 0

    def __len__(self) -> int:
        """Return how many points are held."""
        return self._held

    def admit(self, sketches: Words) -> NDArray[np.bool_]:
        """Return which points are near none that is held nor one admitted earlier in the call; remember those."""
        new = np.zeros(len(sketches), np.bool_)
        for start in range(0, len(sketches), _BLOCK):
            groups, points = unpack(sketches[start : start + _BLOCK])
            fresh = np.flatnonzero(~self._near(groups, points))
            fresh = fresh[first_of_near(groups[fresh], points[fresh])]
            self._remember(groups[fresh], points[fresh])
            new[start + fresh] = True
        return new

    def _near(self, groups: Words, points: Points) -> NDArray[np.bool_]:
        """Return which points are near a held one, going along all chains at once."""
        rows, cells = touched_cells(groups, points)
        places = self._slots.find(cells)
        found = np.zeros(len(points), np.bool_)
        rows, at = rows[places >= 0], self._newest[places[places >= 0]]
        while len(rows):
            found[rows[near(points[rows], self._points[at])]] = True
            at = self._before[at]
            go_on = (at >= 0) & ~found[rows]
            rows, at = rows[go_on], at[go_on]
        return found

    def _remember(self, groups: Words, points: Points) -> None:
        self._make_room(points)
        order, keys, starts = sort_cells(own_cells(groups, points))
        places, new = self._slots.insert(keys)
        last = np.where(new, -1, self._newest[places])
        here = self._held + np.arange(len(points))
        self._points[here] = points[order]
        self._before[here] = here - 1
        self._before[here[starts[:-1]]] = last
        self._newest[places] = self._held + starts[1:] - 1
        self._held += len(points)

    def _make_room(self, points: Points) -> None:
        moved = self._slots.reserve(len(points))
        if moved is not None:
            newest = np.full(len(self._slots.keys), -1, np.int64)
            newest[moved[moved >= 0]] = self._newest[moved >= 0]
            self._newest = newest
        if self._held + len(points) > len(self._before):
            size = max(2 * len(self._before), self._held + len(points), 1024)
            self._before = np.resize(self._before, size)
            grown = np.empty((size, points.shape[1]))
            grown[: self._held] = self._points[: self._held].reshape(self._held, points.shape[1])
            self._points = grown


def pack(groups: Words, points: Points) -> Words:
    """Return groups and points as sketches: uint64 of shape (rows, 1 + coordinates), coordinates by their bits."""
    return np.column_stack([groups, np.ascontiguousarray(points).view(np.uint64)])


def unpack(sketches: Words) -> tuple[Words, Points]:
    """Return the groups and points of sketches."""
    return np.ascontiguousarray(sketches[:, 0]), np.ascontiguousarray(sketches[:, 1:]).view(np.float64)
