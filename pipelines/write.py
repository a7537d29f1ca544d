"""Writes the dataset: gathers each shard's rows, adds provenance, writes Parquet, and hashes what was written.

Knows neither Ray nor which rows were accepted why; a shard depends on the layout and on the parts alone.
"""

import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipelines.fingerprint import row_hashes
from pipelines.layout import Layout, Part, ShardGroup, ShardPlace
from pipelines.registry import generator_class
from pipelines.storage import Folder
from pipelines.stream import chunk_request
from pipelines.workspace import Workspace
from schemas.arrow import PARENT_ROW, PROVENANCE, ROW, dataset_schema
from schemas.manifest import Shard
from schemas.plan import Plan


@dataclass(frozen=True)
class WrittenShard:
    """A shard as it was written, and the digests of its rows (16 bytes a row)."""

    shard: Shard
    digests: bytes


def write_group(plan: Plan, layout: Layout, group: ShardGroup, place: Workspace, target: Folder) -> list[WrittenShard]:
    """Write the shards of one group into `target`."""
    rows = _gather(plan, layout.parts, place.filled.read_arrow(group.file), place)
    first = group.shards[0].start
    return [_write_shard(target, s, rows.slice(s.start - first, s.stop - s.start)) for s in group.shards]


def _gather(plan: Plan, parts: Sequence[Part], places: pa.Table, place: Workspace) -> pa.Table:
    """Return the rows at these places, in their order."""
    part = np.asarray(places["part"])
    position = np.asarray(places["position"])
    by_part = np.argsort(part, kind="stable")
    used, starts = np.unique(part[by_part], return_index=True)
    tables = []
    for number, rows in zip(used, np.split(by_part, starts[1:]), strict=True):
        tables.append(_take(plan, parts[number], position[rows], place))
    back = np.empty(len(by_part), np.int64)
    back[by_part] = np.arange(len(by_part))
    return pa.concat_tables(tables).take(pa.array(back)).combine_chunks()


def _take(plan: Plan, part: Part, positions: NDArray[np.int32], place: Workspace) -> pa.Table:
    source = (place.real if part.stratum is None else place.staged).read_arrow(part.file)
    rows = source.take(pa.array(positions))
    provenance = _real_provenance(rows) if part.stratum is None else _made_provenance(plan, part, rows)
    columns = [column.name for column in plan.profile.columns]
    return pa.table([*rows.select(columns).columns, *provenance], schema=dataset_schema(plan.profile.columns))


def _real_provenance(rows: pa.Table) -> list[pa.Array]:
    count = rows.num_rows
    nothing = [pa.nulls(count, field.type) for field in list(PROVENANCE)[2:]]
    return [_real_ids(rows[ROW]), _constant("real", count), *nothing]


def _made_provenance(plan: Plan, part: Part, rows: pa.Table) -> list[pa.Array]:
    count = rows.num_rows
    stratum = plan.stratum(part.stratum or "")
    request = chunk_request(plan.seed, stratum, part.chunk)
    prefix = f"made-{plan.strata.index(stratum)}-{part.chunk}"
    ids = pc.binary_join_element_wise(prefix, rows[ROW].cast(pa.string()), "-")
    generator = _constant(plan.generator.name, count)
    origin = _constant(generator_class(plan.generator.name).origin, count)
    parents = _real_ids(rows[PARENT_ROW]) if PARENT_ROW in rows.column_names else pa.nulls(count, pa.string())
    return [ids, origin, generator, pa.repeat(pa.scalar(request.seed, pa.int64()), count), parents]


def _real_ids(positions: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join_element_wise("real", positions.cast(pa.string()), "-")


def _constant(value: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value), count)


def _write_shard(target: Folder, place: ShardPlace, rows: pa.Table) -> WrittenShard:
    sink = io.BytesIO()
    pq.write_table(rows, sink, compression="zstd", compression_level=1, use_dictionary=_repeating(rows))
    data = sink.getvalue()
    target.write(place.path, data)
    sha256 = hashlib.sha256(data).hexdigest()
    shard = Shard(path=place.path, split=place.split, rows=rows.num_rows, bytes=len(data), sha256=sha256)
    return WrittenShard(shard, row_digests(rows))


def _repeating(rows: pa.Table) -> list[str]:
    """Return the columns for which a Parquet dictionary pays: not ids, nor numbers that hardly repeat."""
    return [field.name for field in rows.schema if field.name != "_id" and not pa.types.is_floating(field.type)]


def row_digests(rows: pa.Table) -> bytes:
    """Return 16 bytes for each row, over all its columns, in order."""
    return row_hashes(rows, lanes=2).astype("<u8").tobytes()


def content_hash(schema: pa.Schema, digests: Iterable[bytes]) -> str:
    """Return the SHA-256 over the columns' names and types and the digests of all rows in order."""
    total = hashlib.sha256("\\n".join(f"{field.name}:{field.type}" for field in schema).encode())
    for part in digests:
        total.update(part)
    return total.hexdigest()
