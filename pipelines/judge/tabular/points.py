"""Turns rows of tables into points and rare items, by which the privacy gate compares them."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.judge.privacy.rare import Items
from pipelines.judge.privacy.vectors import Encode, Floats, project
from pipelines.plan.model_view import modelled
from pipelines.source.fingerprint import mix, row_hashes
from schemas.plan import Plan

COLUMNS = 12
"""The most columns whose pairs of values are items: declared quasi-identifiers first."""
_UNKNOWN = 16  # coordinates for categories that no real row has


def points(real: pa.Table, plan: Plan, seed: int) -> Encode:
    """Return a function that makes points of rows, learnt from real ones."""
    return table_points(real, [column.name for column in modelled(plan.profile)], seed)


def items(plan: Plan) -> Callable[[pa.Table], Items]:
    """Return a function that finds the values and pairs of values of rows."""
    names = _paired_columns(plan)
    return lambda table: values(table, names)


def table_points(real: pa.Table, names: list[str], seed: int) -> Encode:
    """Return a function that makes points whose distance is like Gower's (1971), with squares.

    Numbers become ranks from 0 to 1; different categories are 1 apart.
    """
    from scipy.sparse import hstack

    columns = [(name, _learn_column(real[name])) for name in names]

    def sparse(table: pa.Table) -> Any:
        return hstack([encode(table[name]) for name, encode in columns], format="csr", dtype=np.float32)

    return project(sparse, real, seed)


def _paired_columns(plan: Plan) -> list[str]:
    declared = plan.privacy.quasi_identifiers if plan.privacy else []
    names = [column.name for column in modelled(plan.profile)]
    return sorted(names, key=lambda name: (name not in declared, names.index(name)))[:COLUMNS]


def values(table: pa.Table, names: list[str]) -> Items:
    """Return the values of each column, and of each pair of columns, as items."""
    single = [row_hashes(table.select([name])) for name in names]
    pairs = [mix(single[a] * np.uint64(3) ^ single[b]) for a, b in combinations(range(len(names)), 2)]
    items = np.stack([mix(hashes ^ np.uint64(number)) for number, hashes in enumerate([*single, *pairs])], axis=1)
    return np.repeat(np.arange(table.num_rows), items.shape[1]), items.ravel()


def _learn_column(real: pa.ChunkedArray) -> Callable[[pa.ChunkedArray], Any]:
    if pa.types.is_string(real.type) or pa.types.is_boolean(real.type):
        return _learn_categories(real)
    return _learn_ranks(real)


def _learn_categories(real: pa.ChunkedArray) -> Callable[[pa.ChunkedArray], Any]:
    """Give each value, and null, its own coordinate."""
    from scipy.sparse import csr_array

    known = pa.array(sorted(real.cast(pa.string()).drop_null().unique().to_pylist()), pa.string())
    width = len(known) + 1 + _UNKNOWN

    def encode(column: pa.ChunkedArray) -> Any:
        column = column.cast(pa.string())
        codes = pc.index_in(column, value_set=known).to_numpy().astype(np.float64)
        unknown = len(known) + 1 + (row_hashes(pa.table([column], ["value"])) % np.uint64(_UNKNOWN)).astype(np.int64)
        codes = np.where(np.isnan(codes), unknown, np.nan_to_num(codes)).astype(np.int64)
        codes[np.asarray(pc.is_null(column))] = len(known)
        height = np.full(len(codes), np.sqrt(0.5), np.float32)
        return csr_array((height, (np.arange(len(codes)), codes)), shape=(len(codes), width))

    return encode


def _learn_ranks(real: pa.ChunkedArray) -> Callable[[pa.ChunkedArray], Any]:
    """Map a number to its rank among the real ones, numbers beyond to below 0 or above 1; null is a coordinate."""
    from scipy.sparse import csr_array

    known = np.sort(numbers(real)[0])
    distinct, first, counts = np.unique(known, return_index=True, return_counts=True)
    ranks = (first + (counts - 1) / 2) / max(1, len(known) - 1)
    spread = float(distinct[-1] - distinct[0]) if len(distinct) > 1 else 1.0

    def encode(column: pa.ChunkedArray) -> Any:
        values_of_column, missing = numbers(column, fill=0.0)
        rank = np.interp(values_of_column, distinct, ranks) if len(distinct) else np.zeros(len(values_of_column))
        if len(distinct):
            beyond = np.maximum(0, values_of_column - distinct[-1]) - np.maximum(0, distinct[0] - values_of_column)
            rank = rank + np.clip(beyond / spread, -1, 1)
        return csr_array(np.column_stack([np.where(missing, 0.5, rank), missing]).astype(np.float32))

    return encode


def numbers(column: pa.ChunkedArray, fill: float | None = None) -> tuple[Floats, NDArray[np.bool_]]:
    """Return a column's finite numbers (dates and times as numbers), and which rows have none, filled by `fill`."""
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.int32() if pa.types.is_date32(column.type) else pa.int64())
    floats = pc.fill_null(column.cast(pa.float64(), safe=False), np.nan).to_numpy().astype(np.float64)
    missing = ~np.isfinite(floats)
    if fill is None:
        return floats[~missing], missing
    return np.where(missing, fill, floats), missing
