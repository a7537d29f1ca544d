"""Pairs augmented rows with the real rows that they were made from, to measure how near they stayed.

Nearness alone is not good: a copy adds nothing, and a row far from its parent may no longer be of its class. The same
figures are therefore given for another real row of the class instead of the made row.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from generators.classes import rows_by_class
from pipelines.judge.fidelity.sides import ID, PARENT, Drawn
from schemas.arrow import STRATUM

MOST_PAIRS = 500


@dataclass(frozen=True)
class Pairs:
    """Three columns, line by line: made rows, their parents, and other real rows of the parent's class."""

    made: pa.ChunkedArray
    parents: pa.ChunkedArray
    others: pa.ChunkedArray


def pairs(drawn: Drawn, column: str, seed: int) -> Pairs | None:
    """Return at most 500 made rows with parents of their own class, or None if there are none."""
    rng = np.random.default_rng(seed)
    place = np.asarray(pc.index_in(drawn.made[PARENT], drawn.parents[ID].combine_chunks()).fill_null(-1))
    made = rng.permutation(np.flatnonzero(place >= 0))[:MOST_PAIRS]
    members = rows_by_class(drawn.parents[STRATUM])
    strata = drawn.parents[STRATUM].take(pa.array(place[made])).to_pylist()
    found = [
        (child, place[child], _other(members[name], int(place[child]), rng))
        for child, name in zip(made, strata, strict=True)
        if len(members[name]) > 1
    ]
    if not found:
        return None
    lines = np.array(found, np.int64).T
    tables = (drawn.made, drawn.parents, drawn.parents)
    return Pairs(*(table[column].take(pa.array(line)) for table, line in zip(tables, lines, strict=True)))


def _other(members: NDArray[np.int64], one: int, rng: np.random.Generator) -> int:
    """Return a random member other than `one`."""
    drawn = int(members[rng.integers(len(members) - 1)])
    return int(members[-1]) if drawn == one else drawn
