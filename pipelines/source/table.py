"""Streams a source as tables with the types of its profile."""

from collections.abc import Container, Iterator, Mapping

import pyarrow as pa
from pyarrow.fs import FileType

from pipelines.source.cells import BLOCK_BYTES, BLOCK_ROWS, Block
from pipelines.source.content import reader_of
from pipelines.source.files import Files, find_files, readable, reopen
from pipelines.source.formats import blocks, complete, droppable
from pipelines.source.hashed_reading import HashedFiles, changed, content_hash, hashed
from pipelines.source.infer import convert
from pipelines.source.stored_types import beside, published_type, to_stored
from schemas.arrow import ROW, source_schema
from schemas.errors import SourceError
from schemas.plan import Column, SourceProfile
from schemas.spec import Source


def read_source(
    source: Source, profile: SourceProfile, *, columns: list[str] | None = None, own: bool = False
) -> Iterator[pa.Table]:
    """Yield the source's rows in order, as tables of at most 65,536 rows and about 8 MB.

    The tables have the columns of the profile (only those of `columns`, if given, in the profile's order), then `_row`
    (int64): the position of the row among all data rows of the source. With `own`, cells that these types cannot hold
    exactly are also in columns of the source's type before `_row` (see `stored_types.beside`). Rows without a class or
    a text are left out if the spec drops them, but count in `_row`. Raises SourceError, at the latest after all rows,
    if the source's bytes are not those of the profile.
    """
    files = hashed(reopen(source, profile))
    try:
        yield from _tables(files, source, profile, columns, own=own)
    except SourceError:
        _refuse_changed(files, source, profile)
        raise
    _refuse_changed(files, source, profile)


def _refuse_changed(files: HashedFiles, source: Source, profile: SourceProfile) -> None:
    """Raise SourceError if a file was added, removed or changed since the profile was made."""
    names = _names_now(files, source)
    came, gone = sorted(set(names) - set(profile.files)), sorted(set(profile.files) - set(names))
    if came or gone:
        listed = [f"{name} {what}" for some, what in ((came, "is new"), (gone, "is gone")) for name in some]
        raise changed(files, f"{listed[0]}" + (f", and {len(listed) - 1:,} more files" if len(listed) > 1 else ""))
    if content_hash(files.contents()) != profile.content:
        raise changed(files, f"{files.names[0] if len(files.names) == 1 else 'a file'} is another one now")


def _names_now(files: Files, source: Source) -> list[str]:
    """Return the names of the source's files, or an empty list if the source is gone."""
    try:
        return find_files(source).names
    except SourceError:
        with readable(files.path):
            if files.filesystem.get_file_info(f"{files.root}/{files.names[0]}").type == FileType.NotFound:
                return []
        raise


def _tables(
    files: HashedFiles, source: Source, profile: SourceProfile, columns: list[str] | None, *, own: bool
) -> Iterator[pa.Table]:
    """Yield the rows as `read_source` does, without checking that the source is unchanged."""
    chosen = [column for column in profile.columns if columns is None or column.name in columns]
    exact = beside(profile.columns) if own else {}
    unused = {column.name for column in chosen if column.role == "carried" and column.stored}
    kept_as_is = [pa.field(name, published_type(column)) for name, column in exact.items()]
    schema = pa.schema([*source_schema(chosen), *kept_as_is, pa.field(ROW, pa.int64())])
    reader = reader_of(source, profile)
    drop = droppable(source, profile.by, reader.column if reader and reader.drops else None)
    needed = [*dict.fromkeys([*(column.name for column in chosen), *drop])]
    rows = dropped = 0
    for found in blocks(files, source, needed):
        block = reader.bring(found) if reader else found
        kept = complete(block, drop)
        rows += kept.cells.rows
        dropped += block.cells.rows - kept.cells.rows
        yield from _slices(_table(kept, schema, files, exact, unused))
    if (rows, dropped) != (profile.rows, profile.dropped):
        raise changed(files, f"{rows + dropped:,} rows now, {profile.rows + profile.dropped:,} then")


def _table(
    block: Block, schema: pa.Schema, files: Files, exact: Mapping[str, Column], unused: Container[str]
) -> pa.Table:
    arrays = []
    for field in list(schema)[:-1]:
        cells = block.cells.columns.get(exact[field.name].name if field.name in exact else field.name)
        cells = None if field.name in unused else cells
        read = _own if field.name in exact else _as
        values = pa.nulls(block.cells.rows, field.type) if cells is None else read(cells, field.type)
        if values is None:
            raise changed(files, f"column {field.name!r} no longer fits {field.type}")
        arrays.append(values)
    return pa.table([*arrays, block.rows], schema=schema)


def _as(cells: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """Return the cells converted to that type; None if any cell does not fit."""
    return cells if cells.type == kind else convert(cells, str(kind))


def _own(cells: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """Return the cells in the source's type `kind`; None if any cell does not fit."""
    if cells.type == kind:
        return cells
    try:
        return to_stored(cells, kind) if pa.types.is_integer(cells.type) else cells.cast(kind)
    except pa.ArrowInvalid:
        return None


def _slices(table: pa.Table) -> Iterator[pa.Table]:
    parts = max(1, -(-table.num_rows // BLOCK_ROWS), -(-table.nbytes // BLOCK_BYTES))
    rows = max(1, -(-table.num_rows // parts))
    for start in range(0, table.num_rows, rows):
        yield table.slice(start, rows)
