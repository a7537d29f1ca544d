"""Measures what the made rows of one class reveal, in one pass over them. Knows no limit and no other class."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.judge.privacy.attack import scores
from pipelines.judge.privacy.distances import Closest, to_each_other
from pipelines.judge.privacy.rare import Rare, items_of
from pipelines.judge.privacy.sides import LEARNT, PAIRED, made_rows, sides_of
from pipelines.judge.privacy.vectors import learn_points
from pipelines.plan.seeds import derive_seed
from pipelines.source.ingest import FINGERPRINT, fingerprint
from pipelines.storage.workspace import Workspace
from schemas.plan import Plan

Floats = NDArray[np.float64]

_SHOWN = 10_000  # distances from which the report takes quantiles


@dataclass(frozen=True)
class Side:
    """The rows of one side, one number each.

    `scores` are the attack's. `closest_of` counts the made rows to which a row is the closest, `again` says whether it
    was made again exactly. `rare` counts the items that only this row has, and `reappeared` how many of those made rows
    have, too: for equally many rows of either side; empty for images.
    """

    scores: Floats
    closest_of: Floats
    again: NDArray[np.bool_]
    rare: Floats
    reappeared: Floats


@dataclass(frozen=True)
class ClassFindings:
    """The findings of one class: both sides, and the distances of some made rows to either."""

    name: str
    made: int
    learnt: Side
    held_out: Side
    to_learnt: Floats
    to_held_out: Floats


def measure_class(plan: Plan, workspace: Workspace, name: str) -> ClassFindings:
    """Compare all made rows of a class with both of its sides."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):  # so that no digit depends on the machine's cores
        return _measure_class(plan, workspace, name)


def _measure_class(plan: Plan, workspace: Workspace, name: str) -> ClassFindings:
    real = sides_of(name, workspace)
    learnt, paired = np.asarray(real[LEARNT]), np.asarray(real[PAIRED])
    encode = learn_points(real, plan, derive_seed(plan.seed, "points"))
    closest = Closest(encode(real), learnt, paired)
    prints = np.asarray(real[FINGERPRINT])
    again = np.zeros(len(prints), bool)
    find = items_of(plan)
    equal = [real.filter(pa.array(paired & side)) for side in (learnt, ~learnt)]
    rare = [Rare.of(find(side), len(side)) for side in equal] if find else []
    made = 0
    for table in made_rows(plan, workspace, name):
        closest.add(encode(table))
        again |= np.isin(prints, fingerprint(table, plan))
        if find:
            items = find(table)[1]
            for side_items in rare:
                side_items.look(items)
        made += table.num_rows
    attack_scores = scores(closest.distance, to_each_other(closest.real))
    nothing = (np.zeros(0), np.zeros(0))
    sides = [
        Side(
            attack_scores[members],
            closest.closest_of[members],
            again[members],
            *(rare[number].by_row if rare else nothing),
        )
        for number, members in enumerate((learnt, ~learnt))
    ]
    step = -(-made // _SHOWN) or 1
    to_learnt, to_held_out = (np.concatenate(part)[::step] for part in (closest.to_learnt, closest.to_held_out))
    return ClassFindings(name, made, sides[0], sides[1], to_learnt, to_held_out)
