"""Writes the dataset: gathers each shard's rows, adds provenance, writes Parquet, and hashes what was written.

Knows neither Ray nor why a row was accepted. A shard depends on the layout and the parts alone.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipelines.dataset.layout import Layout, Part, ShardGroup, ShardRange
from pipelines.plan.registry import generator_class
from pipelines.plan.stream import chunk_request, stream_seed
from pipelines.source.fingerprint import row_hashes
from pipelines.source.stored_types import beside, made_cells, published_type, to_stored
from pipelines.storage.encryption import Key
from pipelines.storage.folder import Folder
from pipelines.storage.lock import Lease
from pipelines.storage.workspace import Workspace, version_name
from schemas.arrow import CARRIED, IMAGE, PARENT_ROW, PROVENANCE, ROW, dataset_schema
from schemas.manifest import Shard
from schemas.plan import Column, Plan

_IDS = ("_id", "_parent")
MAX_ARRAY_BYTES = 1 << 30
"""Bytes of rows that are put into one array at most. `layout.GROUP_BYTES` limits those of one task."""


@dataclass(frozen=True)
class WrittenShard:
    """What the manifest says of a written shard, and the digests of its rows (8 bytes a row)."""

    shard: Shard
    digests: bytes


def write_group(
    plan: Plan,
    layout: Layout,
    group: ShardGroup,
    workspace: Workspace,
    target: Folder,
    key: Key | None = None,
    lease: Lease | None = None,
) -> list[WrittenShard]:
    """Write the shards of one group into `target`, encrypted if there is a key.

    Raises LostError if the lease says that another build holds the output by now.
    """
    order = workspace.filled.read_arrow(group.file)
    rows = _gather_rows(plan, layout.parts, np.asarray(order["part"]), np.asarray(order["position"]), workspace)
    first = group.shards[0].start
    return [_write_shard(target, s, rows.slice(s.start - first, s.stop - s.start), key, lease) for s in group.shards]


def _gather_rows(
    plan: Plan, parts: Sequence[Part], part: NDArray[np.int32], position: NDArray[np.int32], workspace: Workspace
) -> pa.Table:
    """Return the rows at these positions of these parts, in this order, with their provenance.

    Each part is opened once. Memory holds one part, and the rows twice. No array of them grows beyond
    `MAX_ARRAY_BYTES`, since an Arrow array of texts or images holds 2 GiB at most.
    """
    used, code = np.unique(part, return_inverse=True)
    by_part = np.argsort(code, kind="stable")
    ends = np.cumsum(np.bincount(code, minlength=len(used)))[:-1]
    pieces = [
        _read_rows(plan, parts[number], position[rows], workspace)
        for number, rows in zip(used, np.split(by_part, ends), strict=True)
    ]
    rank = np.empty(len(by_part), np.int64)
    rank[by_part] = np.arange(len(by_part))
    step = max(1, len(rank) * MAX_ARRAY_BYTES // max(1, sum(piece.nbytes for piece in pieces)))
    chosen = [parts[number] for number in used]
    slices = [
        _to_published_rows(plan, chosen, code[start : start + step], _take_by_rank(pieces, rank[start : start + step]))
        for start in range(0, len(rank), step)
    ]
    return pa.concat_tables(slices)


def _take_by_rank(pieces: Sequence[pa.Table], rank: NDArray[np.int64]) -> pa.Table:
    """Return the rows with these ranks, in this order. Ranks count through all pieces."""
    starts = np.cumsum([0, *(piece.num_rows for piece in pieces)])
    if len(rank) < starts[-1]:
        order = np.argsort(rank)
        cuts = np.searchsorted(rank[order], starts)
        wanted = [rank[order[low:high]] - start for start, low, high in zip(starts, cuts, cuts[1:], strict=False)]
        pieces = [piece.take(pa.array(rows)) for piece, rows in zip(pieces, wanted, strict=True)]
        rank = np.argsort(order)
    return pa.concat_tables(pieces).combine_chunks().take(pa.array(rank))


def _to_published_rows(plan: Plan, parts: Sequence[Part], part: NDArray[np.int64], rows: pa.Table) -> pa.Table:
    """Return rows of these parts as they are published, with provenance columns."""
    columns = [_to_published_column(rows[column.name], column) for column in plan.profile.columns]
    schema = dataset_schema(plan.profile.columns, _shard_metadata(plan))
    return pa.table([*columns, *_make_provenance(plan, parts, part, rows)], schema=schema)


def _to_published_column(values: pa.ChunkedArray, column: Column) -> pa.Array:
    kind = published_type(column)
    return values if values.type == kind else to_stored(values.combine_chunks(), kind)


def _shard_metadata(plan: Plan) -> dict[str, str | bool]:
    """Return the metadata of each shard, so that a single file that is passed on still says what it holds."""
    return {
        "name": plan.name,
        "contains_synthetic": plan.makes_rows,
        "origin": generator_class(plan.generator.name).capabilities.origin if plan.makes_rows else "real",
        "generator": plan.generator.name if plan.makes_rows else "",
    }


def _read_rows(plan: Plan, part: Part, positions: NDArray[np.int32], workspace: Workspace) -> pa.Table:
    """Return rows of a part: the source's columns, `_row` and `_parent_row` (both int64), and carried provenance."""
    table = (workspace.real if part.stratum is None else workspace.staged).read_arrow(part.file)
    own = {column.name for column in plan.profile.columns} | set(_source_cell_columns(plan).values())
    wanted = [name for name in table.column_names if name in own or name in (ROW, PARENT_ROW, *CARRIED)]
    table = table.select(wanted).take(pa.array(positions)).combine_chunks()
    columns = list(_select_columns(table, plan))
    carried = [
        table[n] if n in table.column_names else pa.nulls(table.num_rows, f.type)
        for n, f in _carried_provenance(plan).items()
    ]
    parents = table[PARENT_ROW] if PARENT_ROW in table.column_names else pa.nulls(table.num_rows, pa.int64())
    numbers = [table[ROW].cast(pa.int64()), parents]
    fields = [pa.field(ROW, pa.int64()), pa.field(PARENT_ROW, pa.int64())]
    typed = [pa.field(column.name, array.type) for column, array in zip(plan.profile.columns, columns, strict=True)]
    schema = pa.schema([*typed, *fields, *_carried_provenance(plan).values()])
    return pa.table([*columns, *numbers, *carried], schema=schema)


def _source_cell_columns(plan: Plan) -> dict[str, str]:
    """Return the names of the columns that hold the source's exact cells, by the name of the column they belong to."""
    return {column.name: name for name, column in beside(plan.profile.columns).items()}


def _select_columns(table: pa.Table, plan: Plan) -> Iterator[pa.ChunkedArray]:
    """Yield the columns, each with the same type in all parts: the source's exact cells where parts have those."""
    names = _source_cell_columns(plan)
    for column in plan.profile.columns:
        if column.name not in names:
            yield table[column.name]
        elif names[column.name] in table.column_names:
            yield table[names[column.name]]
        else:
            made = made_cells(table[column.name].combine_chunks(), column)
            yield pa.chunked_array([made])


def _carried_provenance(plan: Plan) -> dict[str, pa.Field]:
    """Return the provenance fields that rows carried from an earlier version have already, by name."""
    return {name: PROVENANCE.field(name).with_nullable(True) for name in CARRIED} if plan.continues else {}


def _make_provenance(plan: Plan, parts: Sequence[Part], part: NDArray[np.int64], rows: pa.Table) -> list[pa.Array]:
    """Return the provenance columns of rows that come from these parts."""
    codes = pa.array(part)

    def of_part(values: list[str | int | None], kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind).take(codes)

    origin = generator_class(plan.generator.name).capabilities.origin
    made = [one.stratum is not None for one in parts]
    prefixes = of_part([_id_prefix(plan, one) for one in parts], pa.string())
    columns = {
        "_id": pc.binary_join_element_wise(prefixes, rows[ROW].cast(pa.string()), "-"),
        "_origin": of_part([origin if flag else "real" for flag in made], pa.string()),
        "_generator": of_part([plan.generator.name if flag else None for flag in made], pa.string()),
        "_seed": of_part([_request_seed(plan, one) for one in parts], pa.int64()),
        "_parent": pc.binary_join_element_wise("real", rows[PARENT_ROW].cast(pa.string()), "-"),
    }
    return [pc.coalesce(rows[name], own) if name in _carried_provenance(plan) else own for name, own in columns.items()]


def _id_prefix(plan: Plan, part: Part) -> str:
    if part.stratum is None:
        return "real"
    made = f"made-{version_name(plan.version)}" if plan.continues and plan.version else "made"
    return f"{made}-{plan.numbers[part.stratum]}-{part.chunk}"


def _request_seed(plan: Plan, part: Part) -> int | None:
    if part.stratum is None:
        return None
    return chunk_request(stream_seed(plan), plan.stratum(part.stratum), part.chunk).seed


def _write_shard(
    target: Folder, span: ShardRange, rows: pa.Table, key: Key | None, lease: Lease | None
) -> WrittenShard:
    sink = io.BytesIO()
    pq.write_table(
        rows,
        sink,
        compression=_compression(rows.schema),
        use_dictionary=[field.name for field in rows.schema if field.name == "_seed" or _is_dictionary_useful(field)],
        column_encoding=dict.fromkeys(_IDS, "DELTA_BYTE_ARRAY"),
        encryption_properties=key.encryption() if key else None,
    )
    data = sink.getvalue()
    if lease:
        lease.check()
    target.write(span.path, data)
    sha256 = hashlib.sha256(data).hexdigest()
    shard = Shard(path=span.path, split=span.split, rows=rows.num_rows, bytes=len(data), sha256=sha256)
    return WrittenShard(shard, row_digests(rows))


def _compression(schema: pa.Schema) -> str | dict[str, str]:
    """Return the compression of each column: zstd at its default level 1, and none for images, which are compressed."""
    images = [field.name for field in schema if field.type == IMAGE]
    if not images:
        return "zstd"
    paths = [path for field in schema for path in _leaf_paths(field.name, field.type)]
    return {path: "NONE" if path in {f"{name}.bytes" for name in images} else "zstd" for path in paths}


def _leaf_paths(path: str, kind: pa.DataType) -> list[str]:
    """Return the paths of a column's leaf values, as Parquet names them."""
    if pa.types.is_struct(kind):
        return [leaf for field in kind for leaf in _leaf_paths(f"{path}.{field.name}", field.type)]
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return _leaf_paths(f"{path}.list.element", kind.value_type)
    return [path]


def _is_dictionary_useful(field: pa.Field) -> bool:
    """Whether a Parquet dictionary is worth its time: for texts other than ids, not for numbers."""
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    return field.name not in _IDS and bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def row_digests(rows: pa.Table) -> bytes:
    """Return a digest of 8 bytes for each row over all its columns, in the order of the rows."""
    return row_hashes(rows).astype("<u8").tobytes()


def content_hash(schema: pa.Schema, digests: Iterable[bytes]) -> str:
    """Return the SHA-256 of the columns' names and types, and of the digests of all rows in order."""
    total = hashlib.sha256("\\n".join(f"{field.name}:{field.type}" for field in schema).encode())
    for part in digests:
        total.update(part)
    return total.hexdigest()
