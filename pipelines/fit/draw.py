"""Draws rows from a stream evenly and repeatably: small classes stay whole, large ones give the same share each."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.plan.seeds import keyed_order
from schemas.arrow import STRATUM

_KEY = "_key"


def draw_evenly(tables: Iterable[pa.Table], rows: int, seed: int) -> pa.Table:
    """Return at most about `rows` rows of the stream, in its order; all of them if there are no more.

    The tables have a column `_stratum`. Of each stratum the rows with the smallest keys are drawn, up to a share that
    is the same for all. At most four times `rows` rows, or one table more, are in memory.
    """
    tables_kept: list[pa.Table] = []
    position = rows_held = 0
    for table in tables:
        numbers = np.arange(position, position + table.num_rows, dtype=np.uint64)
        tables_kept.append(table.append_column(_KEY, pa.array(keyed_order(numbers, seed))))
        position += table.num_rows
        rows_held += table.num_rows
        if rows_held > 3 * rows:
            # each stratum may give `rows` for now: its share is known only when all were seen
            tables_kept = [_smallest(_concat(tables_kept), rows)]
            rows_held = tables_kept[0].num_rows
    table = _concat(tables_kept)
    return _smallest(table, _share(table, rows)).drop_columns(_KEY)


def _concat(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def _share(table: pa.Table, rows: int) -> int:
    """Return the most rows that a stratum may give so that all together give at most `rows` (at least one each)."""
    counts = pc.value_counts(table[STRATUM]).field("counts").to_numpy(zero_copy_only=False)
    if counts.sum() <= rows:
        return int(counts.max(initial=1))
    low, high = 1, int(counts.max())
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if np.minimum(counts, middle).sum() <= rows else (low, middle - 1)
    return low


def _smallest(table: pa.Table, share: int) -> pa.Table:
    """Return the `share` rows of each stratum with the smallest keys, in the table's order."""
    codes = np.unique(np.asarray(table[STRATUM].cast(pa.string())), return_inverse=True)[1]
    order = np.lexsort((np.asarray(table[_KEY]), codes))
    starts = np.flatnonzero(np.r_[True, np.diff(codes[order]) != 0])
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    return table.take(pa.array(np.sort(order[rank < share])))
