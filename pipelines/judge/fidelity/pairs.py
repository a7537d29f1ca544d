"""Augmented rows beside the real rows that they were made from: how near they stayed.

Near is not good in itself: a copy adds nothing, and what is far from its parent may be no more of its class. The same
figures are therefore told of another real row of the class in the made row's place.
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
    """Return at most 500 made rows with parents of their own class; nothing where there are none."""
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
    """Return any of the members but `one`."""
    drawn = int(members[rng.integers(len(members) - 1)])
    return int(members[-1]) if drawn == one else drawn
