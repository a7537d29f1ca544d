"""Chooses the real rows that the model does not learn from: a share of each class, by a keyed hash of the row's number.

They are in the dataset like other real rows. What made rows share with them is chance; so they measure the others.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.plan.registry import generator_class
from pipelines.plan.seeds import derive_seed, keyed_order
from schemas.arrow import ROW, STRATUM
from schemas.plan import Plan, Stratum

LEAST = 10
"""Rows that a class must be able to hold out; else it holds out none, since so few tell nothing."""


def holds_out(plan: Plan, stratum: Stratum) -> bool:
    """Whether some of the class's rows are held out: not if the generator needs nearly all of them."""
    if plan.privacy is None or stratum.real * plan.privacy.held_out < LEAST:
        return False
    left = stratum.real * (1 - plan.privacy.held_out)
    least = generator_class(plan.generator.name).capabilities.min_class_rows
    return left >= 2 * least  # how many are left is drawn row by row


def expected_rows(plan: Plan) -> int:
    """Return roughly how many rows are held out: each row is drawn by itself."""
    share = plan.privacy.held_out if plan.privacy else 0.0
    return round(sum(stratum.real * share for stratum in plan.strata if holds_out(plan, stratum)))


def held_out(table: pa.Table, plan: Plan) -> NDArray[np.bool_]:
    """Return which rows are held out; `table` has `_row` and `_stratum`."""
    if plan.privacy is None:
        return np.zeros(table.num_rows, bool)
    keys = keyed_order(np.asarray(table[ROW]).astype(np.uint64), derive_seed(plan.seed, "held out"))
    chosen = keys < np.uint64(plan.privacy.held_out * 2**64)
    return np.asarray(chosen & _of_strata(table, {s.name for s in plan.strata if holds_out(plan, s)}))


def learnt(tables: Iterable[pa.Table], plan: Plan) -> Iterator[pa.Table]:
    """Yield the rows that the model may learn from."""
    for table in tables:
        yield table.filter(pa.array(~held_out(table, plan))) if plan.privacy else table


def _of_strata(table: pa.Table, names: set[str]) -> NDArray[np.bool_]:
    column = table[STRATUM].combine_chunks()
    known = np.array([name in names for name in column.dictionary.to_pylist()], bool)
    return known[np.asarray(column.indices)] if len(column) else np.zeros(0, bool)
