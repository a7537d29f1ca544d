"""Rows of tables as points, and what is rare in one: what the privacy gate compares them by."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.judge.privacy.rare import Items
from pipelines.judge.privacy.vectors import Encode, Floats, projected
from pipelines.plan.features import modelled
from pipelines.source.fingerprint import mix, row_hashes
from schemas.plan import Plan

COLUMNS = 12
"""Columns that are looked at in pairs, at most: declared quasi-identifiers first."""
_UNKNOWN = 16  # categories that no real row has are told apart by so many


def points(real: pa.Table, plan: Plan, seed: int) -> Encode:
    """Return what makes points of rows, learnt from real ones."""
    return table_points(real, [column.name for column in modelled(plan.profile)], seed)


def items(plan: Plan) -> Callable[[pa.Table], Items]:
    """Return what finds the values of rows, and the pairs of values."""
    names = _columns(plan)
    return lambda table: values(table, names)


def table_points(real: pa.Table, names: list[str], seed: int) -> Encode:
    """Look at tables as Gower (1971) does, with squares: numbers by rank, from 0 to 1; other values differ by 1."""
    from scipy.sparse import hstack

    columns = [(name, _learn_column(real[name])) for name in names]

    def sparse(table: pa.Table) -> Any:
        return hstack([encode(table[name]) for name, encode in columns], format="csr", dtype=np.float32)

    return projected(sparse, real, seed)


def _columns(plan: Plan) -> list[str]:
    declared = plan.privacy.quasi_identifiers if plan.privacy else []
    names = [column.name for column in modelled(plan.profile)]
    return sorted(names, key=lambda name: (name not in declared, names.index(name)))[:COLUMNS]


def values(table: pa.Table, names: list[str]) -> Items:
    """Return the values of each column, and of each two together."""
    single = [row_hashes(table.select([name])) for name in names]
    pairs = [mix(single[a] * np.uint64(3) ^ single[b]) for a, b in combinations(range(len(names)), 2)]
    items = np.stack([mix(hashes ^ np.uint64(place)) for place, hashes in enumerate([*single, *pairs])], axis=1)
    return np.repeat(np.arange(table.num_rows), items.shape[1]), items.ravel()


def _learn_column(real: pa.ChunkedArray) -> Callable[[pa.ChunkedArray], Any]:
    if pa.types.is_string(real.type) or pa.types.is_boolean(real.type):
        return _learn_categories(real)
    return _learn_ranks(real)


def _learn_categories(real: pa.ChunkedArray) -> Callable[[pa.ChunkedArray], Any]:
    """Give each value, and null, a coordinate of its own."""
    from scipy.sparse import csr_array

    known = pa.array(sorted(real.cast(pa.string()).drop_null().unique().to_pylist()), pa.string())
    width = len(known) + 1 + _UNKNOWN

    def encode(column: pa.ChunkedArray) -> Any:
        column = column.cast(pa.string())
        place = pc.index_in(column, value_set=known).to_numpy().astype(np.float64)
        unknown = len(known) + 1 + (row_hashes(pa.table([column], ["value"])) % np.uint64(_UNKNOWN)).astype(np.int64)
        place = np.where(np.isnan(place), unknown, np.nan_to_num(place)).astype(np.int64)
        place[np.asarray(pc.is_null(column))] = len(known)
        height = np.full(len(place), np.sqrt(0.5), np.float32)
        return csr_array((height, (np.arange(len(place)), place)), shape=(len(place), width))

    return encode


def _learn_ranks(real: pa.ChunkedArray) -> Callable[[pa.ChunkedArray], Any]:
    """Give a number its rank among the real ones, as far beyond 0 and 1 as it is beyond them, and null a coordinate."""
    from scipy.sparse import csr_array

    known = np.sort(numbers(real)[0])
    distinct, first, counts = np.unique(known, return_index=True, return_counts=True)
    ranks = (first + (counts - 1) / 2) / max(1, len(known) - 1)
    spread = float(distinct[-1] - distinct[0]) if len(distinct) > 1 else 1.0

    def encode(column: pa.ChunkedArray) -> Any:
        found, missing = numbers(column, fill=0.0)
        rank = np.interp(found, distinct, ranks) if len(distinct) else np.zeros(len(found))
        if len(distinct):
            beyond = np.maximum(0, found - distinct[-1]) - np.maximum(0, distinct[0] - found)
            rank = rank + np.clip(beyond / spread, -1, 1)
        return csr_array(np.column_stack([np.where(missing, 0.5, rank), missing]).astype(np.float32))

    return encode


def numbers(column: pa.ChunkedArray, fill: float | None = None) -> tuple[Floats, NDArray[np.bool_]]:
    """Return a column's finite numbers (dates and times as such), and which rows have none; `fill` stands for those."""
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.int32() if pa.types.is_date32(column.type) else pa.int64())
    found = pc.fill_null(column.cast(pa.float64(), safe=False), np.nan).to_numpy().astype(np.float64)
    missing = ~np.isfinite(found)
    if fill is None:
        return found[~missing], missing
    return np.where(missing, fill, found), missing
