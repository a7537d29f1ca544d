"""Decides the layout of the dataset: which real rows stay, which split a row is in, and the shuffled order.

It works on row numbers, never on the rows themselves. It needs some 40 bytes of memory a row while it runs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.fill.chunk import staged_name
from pipelines.fill.loop import AcceptedChunk
from pipelines.fill.result import load_filled
from pipelines.fit.even_sample import rank_within
from pipelines.plan.seeds import derive_seed, keyed_order
from pipelines.source.ingest import RealRows
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import Workspace
from schemas.arrow import ROW, STRATUM
from schemas.manifest import DATA
from schemas.plan import Plan

CHUNK_BITS = 24
"""A made row's number is its chunk's number shifted by so many bits, plus its row: a chunk has 2^24 rows at most."""

GROUP_ROWS, GROUP_BYTES = 250_000, 256 << 20
"""Rows that one task gathers at most, and roughly their bytes. A single shard may be larger."""


@dataclass(frozen=True)
class Part:
    """A file with rows: a file of the typed source (`stratum` is None), or a staged chunk."""

    stratum: str | None
    chunk: int
    file: str


@dataclass(frozen=True)
class ShardRange:
    """One shard: its path, and the ranks of its rows in the dataset, from `start` up to but without `stop`."""

    path: str
    split: str
    start: int
    stop: int


@dataclass(frozen=True)
class ShardGroup:
    """Shards that one task writes; it opens each part once.

    `file` holds a row for each row of these shards, in their order: `part` (int32, index into `Layout.parts`) and
    `position` (int32, row number in the part's file).
    """

    file: str
    shards: Sequence[ShardRange]


@dataclass(frozen=True)
class Layout:
    """All parts, and the groups of shards in the dataset's order."""

    parts: Sequence[Part]
    groups: Sequence[ShardGroup]


@dataclass(frozen=True)
class _UsedRows:
    """The rows of one part that the dataset takes: position in the file, number of the stratum, and sort key."""

    positions: NDArray[np.int64]
    strata: NDArray[np.int32]
    keys: NDArray[np.uint64]


def make_layout(plan: Plan, real: RealRows, workspace: Workspace, tag: str) -> Layout:
    """Return the layout of a filled build, and write it down. Each split gets its share of every stratum."""
    return arrange_rows(plan, real, load_filled(workspace.filled).accepted, workspace.filled, tag)


def arrange_rows(plan: Plan, real: RealRows, accepted: Sequence[AcceptedChunk], folder: Folder, tag: str) -> Layout:
    """Return the layout of these rows, and write it to `folder`. The names of the shards end with `tag`."""
    parts = [Part(None, 0, file) for file in real.files]
    rows = list(_select_real_rows(plan, real))
    for chunk in accepted:
        parts.append(Part(chunk.stratum, chunk.chunk, staged_name(chunk.stratum, chunk.chunk)))
        rows.append(_select_made_rows(plan.seed, chunk, plan.numbers[chunk.stratum]))
    keys = np.concatenate([part.keys for part in rows])
    split = _assign_splits(np.concatenate([part.strata for part in rows]), keys, list(plan.splits.values()))
    order = np.lexsort((keys, split))  # stable, so that equal keys stay in the order of the parts
    sizes = np.bincount(split, minlength=len(plan.splits)).tolist()
    part = np.repeat(np.arange(len(rows), dtype=np.int32), [len(r.positions) for r in rows])[order]
    position = np.concatenate([r.positions for r in rows]).astype(np.int32)[order]
    rows_in_order = pa.table({"part": part, "position": position})
    groups = _group_shards(
        _cut_shards(dict(zip(plan.splits, sizes, strict=True)), plan.shard_rows, tag), _max_group_rows(plan)
    )
    for group in groups:
        start, stop = group.shards[0].start, group.shards[-1].stop
        folder.write_arrow(group.file, rows_in_order.slice(start, stop - start))
    return Layout(parts, groups)


def _select_real_rows(plan: Plan, real: RealRows) -> Iterable[_UsedRows]:
    """Yield the real rows that stay. Of a class with too many rows, those with the smallest keys stay."""
    tables = [table.select([ROW, STRATUM]) for table in real.tables()]
    numbers = [np.asarray(table[ROW]).astype(np.uint64) for table in tables]
    strata = [_number_strata(table, plan) for table in tables]
    kept = np.split(
        _mask_kept(plan, np.concatenate(numbers), np.concatenate(strata)), np.cumsum([len(n) for n in numbers])
    )
    seed = derive_seed(plan.seed, "order", "real")
    for number, codes, keep in zip(numbers, strata, kept, strict=False):
        positions = np.flatnonzero(keep)
        yield _UsedRows(positions, codes[positions], keyed_order(number[positions], seed))


def _number_strata(table: pa.Table, plan: Plan) -> NDArray[np.int32]:
    """Return each row's stratum as its number in the plan."""
    column = table[STRATUM].combine_chunks()
    mapping = np.array([plan.numbers[name] for name in column.dictionary.to_pylist()], np.int32)
    return np.asarray(mapping[np.asarray(column.indices)], np.int32)


def _mask_kept(plan: Plan, numbers: NDArray[np.uint64], strata: NDArray[np.int32]) -> NDArray[np.bool_]:
    if all(stratum.keep >= stratum.real for stratum in plan.strata):
        return np.ones(len(numbers), bool)
    order = np.lexsort((keyed_order(numbers, derive_seed(plan.seed, "keep")), strata))
    most = np.array([stratum.keep for stratum in plan.strata], np.int64)
    keep = np.empty(len(numbers), bool)
    keep[order] = rank_within(strata[order]) < most[strata[order]]
    return keep


def _select_made_rows(seed: int, chunk: AcceptedChunk, code: int) -> _UsedRows:
    positions = chunk.rows.astype(np.int64)
    numbers = (np.uint64(chunk.chunk) << np.uint64(CHUNK_BITS)) | positions.astype(np.uint64)
    keys = keyed_order(numbers, derive_seed(seed, "order", chunk.stratum))
    return _UsedRows(positions, np.full(len(positions), code, np.int32), keys)


def _assign_splits(strata: NDArray[np.int32], keys: NDArray[np.uint64], shares: Sequence[float]) -> NDArray[np.int8]:
    """Return the number of each row's split. The rows of every stratum are sorted by key, and cut at the shares."""
    split = np.zeros(len(keys), np.int8)
    if len(shares) == 1:
        return split
    cuts = list(accumulate(shares))[:-1]
    order = np.lexsort((keys, strata))
    starts = np.flatnonzero(np.r_[True, np.diff(strata[order]) != 0])
    for rows in np.split(order, starts[1:]):
        ends = [round(len(rows) * cut) for cut in cuts]
        for number, part in enumerate(np.split(rows, ends)):
            split[part] = number
    return split


def _cut_shards(sizes: dict[str, int], shard_rows: int, tag: str) -> list[ShardRange]:
    """Cut each split into as few shards as `shard_rows` allows, of even size, with names that `datasets` knows."""
    shards, start = [], 0
    for split, rows in sizes.items():
        count = -(-rows // shard_rows)
        for number in range(count):
            stop = start + rows // count + (number < rows % count)
            shards.append(ShardRange(f"{DATA}/{split}-{number:05d}-of-{count:05d}-{tag}.parquet", split, start, stop))
            start = stop
    return shards


def _max_group_rows(plan: Plan) -> int:
    return min(GROUP_ROWS, GROUP_BYTES // plan.profile.row_bytes)


def _group_shards(shards: Sequence[ShardRange], rows: int) -> list[ShardGroup]:
    groups: list[list[ShardRange]] = []
    for shard in shards:
        if not groups or shard.stop - groups[-1][0].start > rows:
            groups.append([])
        groups[-1].append(shard)
    return [ShardGroup(f"layout-{number:05d}.arrow", group) for number, group in enumerate(groups)]
