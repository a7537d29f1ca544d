"""Measures what the made rows of one class give away, in one pass over them. Knows no limit and no other class."""

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

_SHOWN = 10_000  # distances that the report draws from


@dataclass(frozen=True)
class Side:
    """Rows of one side, one number each.

    `scores` are the attack's, `closest_of` made rows that each is the closest to, `again` whether it was made again
    exactly. `rare` is what a row alone has, and `reappeared` how much of that made rows have too: of as many rows of
    either side, none of images.
    """

    scores: Floats
    closest_of: Floats
    again: NDArray[np.bool_]
    rare: Floats
    reappeared: Floats


@dataclass(frozen=True)
class ClassFindings:
    """One class: both sides, and the distances of some made rows to either."""

    name: str
    made: int
    learnt: Side
    held_out: Side
    to_learnt: Floats
    to_held_out: Floats


def measure_class(plan: Plan, place: Workspace, name: str) -> ClassFindings:
    """Compare all made rows of a class with both sides of it."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):  # so that no digit depends on the machine's cores
        return _measure(plan, place, name)


def _measure(plan: Plan, place: Workspace, name: str) -> ClassFindings:
    real = sides_of(name, place)
    learnt, paired = np.asarray(real[LEARNT]), np.asarray(real[PAIRED])
    encode = learn_points(real, plan, derive_seed(plan.seed, "points"))
    closest = Closest(encode(real), learnt, paired)
    prints = np.asarray(real[FINGERPRINT])
    again = np.zeros(len(prints), bool)
    find = items_of(plan)
    equal = [real.filter(pa.array(paired & side)) for side in (learnt, ~learnt)]
    rare = [Rare.of(find(side), len(side)) for side in equal] if find else []
    made = 0
    for table in made_rows(plan, place, name):
        closest.add(encode(table))
        again |= np.isin(prints, fingerprint(table, plan))
        if find:
            items = find(table)[1]
            for one in rare:
                one.look(items)
        made += table.num_rows
    found = scores(closest.distance, to_each_other(closest.real))
    nothing = (np.zeros(0), np.zeros(0))
    sides = [
        Side(found[here], closest.closest_of[here], again[here], *(rare[number].by_row if rare else nothing))
        for number, here in enumerate((learnt, ~learnt))
    ]
    step = -(-made // _SHOWN) or 1
    to_learnt, to_held_out = (np.concatenate(part)[::step] for part in (closest.to_learnt, closest.to_held_out))
    return ClassFindings(name, made, sides[0], sides[1], to_learnt, to_held_out)
