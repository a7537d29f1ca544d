"""What is rare in a row: values, pairs of values, words and runs of words, as hashed items. Knows no side.

Singling out is one of the three risks by which European law judges whether data is anonymous (Article 29 Working Party,
Opinion 05/2014), and is measured as the attack of Giomi et al., "A Unified Framework for Quantifying Privacy Risk in
Synthetic Data" (PoPETs 2023, arXiv:2211.10459), does: against what also happens to rows that were not learnt from.
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
    """Return what finds the items of rows; nothing for what has none, as images."""
    items = modality_of(plan).items
    return load_part(items)(plan) if items else None


@dataclass
class Rare:
    """Items that one row of a side alone has, and whether made rows have them too.

    `rows` says of each item which row has it, `items` is sorted.
    """

    items: NDArray[np.uint64]
    rows: NDArray[np.int64]
    count: int
    seen: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.seen = np.zeros(len(self.items), bool)

    @classmethod
    def of(cls, found: Items, count: int) -> "Rare":
        """Return what one alone of `count` rows has; a row that has it twice is still one."""
        both = np.unique(np.stack([found[1], found[0].astype(np.uint64)], axis=1), axis=0)
        items, first, times = np.unique(both[:, 0], return_index=True, return_counts=True)
        alone = times == 1
        return cls(items[alone], both[first[alone], 1].astype(np.int64), count)

    def look(self, made: NDArray[np.uint64]) -> None:
        """Look for them among the items of made rows."""
        place = np.minimum(np.searchsorted(self.items, made), max(0, len(self.items) - 1))
        if len(self.items):
            self.seen[place[self.items[place] == made]] = True

    @property
    def by_row(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of each row, how many such items it has, and how many of them made rows have too."""
        have = np.bincount(self.rows, minlength=self.count).astype(np.float64)
        seen = np.bincount(self.rows[self.seen], minlength=self.count).astype(np.float64)
        return have, seen
