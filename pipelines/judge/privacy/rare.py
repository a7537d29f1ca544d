"""What is rare in a row: values, pairs of values, words and runs of words, as hashed items. Knows no side.

Singling out is one of the three risks by which European law judges whether data is anonymous (Article 29 Working Party,
Opinion 05/2014), and is measured as the attack of Giomi et al., "A Unified Framework for Quantifying Privacy Risk in
Synthetic Data" (PoPETs 2023, arXiv:2211.10459), does: against what also happens to rows that were not learnt from.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.plan.features import modelled
from pipelines.source.fingerprint import mix, row_hashes
from schemas.plan import Plan

Items = tuple[NDArray[np.int64], NDArray[np.uint64]]
"""The row of each item, and its hash."""

COLUMNS = 12
"""Columns that are looked at in pairs, at most: declared quasi-identifiers first."""
_RUN = 3  # words of a text that are looked at together


def items_of(plan: Plan) -> Callable[[pa.Table], Items] | None:
    """Return what finds the items of rows; nothing for images."""
    if plan.profile.image:
        return None
    if plan.profile.text:
        name = plan.profile.text
        return lambda table: _words(table, name)
    names = _columns(plan)
    return lambda table: _values(table, names)


def _columns(plan: Plan) -> list[str]:
    declared = plan.privacy.quasi_identifiers if plan.privacy else []
    names = [column.name for column in modelled(plan.profile)]
    return sorted(names, key=lambda name: (name not in declared, names.index(name)))[:COLUMNS]


def _values(table: pa.Table, names: list[str]) -> Items:
    """Return the values of each column, and of each two together."""
    single = [row_hashes(table.select([name])) for name in names]
    pairs = [mix(single[a] * np.uint64(3) ^ single[b]) for a, b in combinations(range(len(names)), 2)]
    items = np.stack([mix(hashes ^ np.uint64(place)) for place, hashes in enumerate([*single, *pairs])], axis=1)
    return np.repeat(np.arange(table.num_rows), items.shape[1]), items.ravel()


def _words(table: pa.Table, name: str) -> Items:
    """Return the words of each text, and each few that follow one another."""
    from pipelines.validate.text.words import as_texts, hashed_words, shingles

    words = hashed_words(as_texts(table[name]))
    runs = shingles(words, _RUN, short=False)
    rows = [np.repeat(np.arange(table.num_rows), sets.sizes) for sets in (words, runs)]
    return np.concatenate(rows), np.concatenate([words.values, runs.values])


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
