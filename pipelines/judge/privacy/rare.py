"""Finds what is rare in a row: values, pairs of values, words and runs of words, as hashed items. Knows no side.

Singling out is one of the three risks by which European law judges whether data is anonymous (Article 29 Working Party,
Opinion 05/2014). It is measured like the attack of Giomi et al., "A Unified Framework for Quantifying Privacy Risk in
Synthetic Data" (PoPETs 2023, arXiv:2211.10459): against what also happens to rows that were not learnt.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.modality import load_part, modality_of
from schemas.plan import Plan

Items = tuple[NDArray[np.int64], NDArray[np.uint64]]
"""The row of each item, and its hash."""


def items_of(plan: Plan) -> Callable[[pa.Table], Items] | None:
    """Return a function that finds the items of rows, or None for a modality without items, such as images."""
    items = modality_of(plan).items
    return load_part(items)(plan) if items else None


@dataclass
class Rare:
    """Items that only one row of a side has, and whether made rows have them, too.

    `rows` is the row of each item; `items` is sorted.
    """

    items: NDArray[np.uint64]
    rows: NDArray[np.int64]
    count: int
    seen: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.seen = np.zeros(len(self.items), bool)

    @classmethod
    def of(cls, found: Items, count: int) -> "Rare":
        """Return the items that only one of `count` rows has; a row that has an item twice counts once."""
        both = np.unique(np.stack([found[1], found[0].astype(np.uint64)], axis=1), axis=0)
        items, first, times = np.unique(both[:, 0], return_index=True, return_counts=True)
        alone = times == 1
        return cls(items[alone], both[first[alone], 1].astype(np.int64), count)

    def look(self, made: NDArray[np.uint64]) -> None:
        """Mark the items that are among those of made rows."""
        position = np.minimum(np.searchsorted(self.items, made), max(0, len(self.items) - 1))
        if len(self.items):
            self.seen[position[self.items[position] == made]] = True

    @property
    def by_row(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The number of rare items of each row, and how many of them made rows have, too."""
        have = np.bincount(self.rows, minlength=self.count).astype(np.float64)
        seen = np.bincount(self.rows[self.seen], minlength=self.count).astype(np.float64)
        return have, seen
