"""Draws rows from a stream evenly and repeatably: small classes stay whole, large ones give the same share each."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.plan.seeds import keyed_order
from schemas.arrow import STRATUM

_KEY = "_key"


def draw_evenly(tables: Iterable[pa.Table], rows: int, seed: int) -> pa.Table:
    """Return at most about `rows` rows of the stream, in its order; all of them if there are no more.

    The tables have a column `_stratum`; of each stratum the rows with the smallest keys are drawn, up to a share that
    is the same for all. Holds at most four times `rows` rows, or one table more; where there are more strata than that,
    some rows of each.
    """
    kept: list[pa.Table] = []
    seen: Counter[str] = Counter()
    held, most = 0, 3 * rows
    for table in tables:
        start = seen.total()
        numbers = np.arange(start, start + table.num_rows, dtype=np.uint64)
        kept.append(table.append_column(_KEY, pa.array(keyed_order(numbers, seed))))
        seen.update(_counts(table))
        held += table.num_rows
        if held > most:
            # the share only shrinks as more rows are seen, so that none is dropped that the last one would take
            kept = [_smallest(_concat(kept), _share(seen, rows))]
            held = kept[0].num_rows
            most = max(3 * rows, 2 * held)
    return _smallest(_concat(kept), _share(seen, rows)).drop_columns(_KEY)


def rank_within(groups: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return how many rows of its own group come before each row; the rows of a group stand together."""
    starts = np.flatnonzero(np.r_[True, np.diff(groups) != 0])
    ranks: NDArray[np.int64] = np.arange(len(groups)) - np.repeat(starts, np.diff(np.r_[starts, len(groups)]))
    return ranks


def _concat(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def _counts(table: pa.Table) -> Counter[str]:
    """Return the rows of each stratum."""
    counts: Counter[str] = Counter()
    for chunk in table[STRATUM].chunks:  # each may have a dictionary of its own
        names, rows = chunk.value_counts().flatten()
        counts.update(dict(zip(names.to_pylist(), rows.to_pylist(), strict=True)))
    return counts


def _share(seen: Counter[str], rows: int) -> int:
    """Return the largest number of rows a stratum may give so that all together give at most `rows` (at least one)."""
    counts = np.array([*seen.values()], np.int64)
    if counts.sum() <= rows:
        return int(counts.max(initial=1))
    low, high = 1, int(counts.max())
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if np.minimum(counts, middle).sum() <= rows else (low, middle - 1)
    return low


def _smallest(table: pa.Table, share: int) -> pa.Table:
    """Return, of each stratum, the `share` rows with the smallest keys, in the table's order."""
    codes = _codes(table)
    order = np.lexsort((np.asarray(table[_KEY]), codes))
    return table.take(pa.array(np.sort(order[rank_within(codes[order]) < share])))


def _codes(table: pa.Table) -> NDArray[np.int32]:
    """Return a number for each row's stratum."""
    column = table[STRATUM].combine_chunks()
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return np.asarray(encoded.indices, np.int32)
