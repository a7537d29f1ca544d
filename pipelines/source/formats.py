"""Defines a format of source files, and streams a source of any format as clean blocks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.modality import MODALITIES, load_part
from pipelines.source.cells import EMPTY, NO_TEXT, Block, Cells, numbered, texts
from pipelines.source.files import TABLES, Files
from pipelines.source.hive import Partitions
from pipelines.source.infer import NULL
from schemas.errors import Advice, SourceError
from schemas.spec import NULL_TOKENS, Source


@dataclass(frozen=True)
class Format:
    """The functions and flags by which files of one format are read.

    `columns` returns a file's columns with their types, or None if only the rows show them; `batches` yields a file's
    rows. If one file is one row, both read all files `together`, and get an empty name. `delimited` says that all cells
    are texts, some of which mean missing values. `declared` says that annotations declare the size of images.

    These describe the first file: `written` how it differs from its plain format, in words; `index` the name of an
    unnamed first column; `headless` whether it has no header row; `advice` what to do about a column that is not found,
    in words and as a key of the spec. These describe all files: `names` the names of numbered classes by column; `lost`
    sentences on content that is in no row, once all rows were read; `label` the class column, if they are no tables.
    """

    columns: Callable[[Files, str, Source], dict[str, str] | None]
    batches: Callable[[Files, str, Source, list[str] | None], Iterator[Cells]]
    together: bool = False
    delimited: bool = False
    declared: bool = False
    written: Callable[[Files, Source], str] = lambda *_: ""
    index: Callable[[Files, Source], str | None] = lambda *_: None
    headless: Callable[[Files, Source], bool] = lambda *_: False
    advice: Callable[[Files, Source], tuple[str, Advice | None]] = lambda *_: ("", None)
    names: Callable[[Files], dict[str, list[str]]] = lambda _: {}
    lost: Callable[[Files, Source], list[str]] = lambda *_: []
    label: Callable[[Files, Source], str | None] = lambda *_: None


def format_of(files: Files) -> Format:
    """Return the format of the files."""
    return format_named(files.format)


def format_named(name: str) -> Format:
    """Return the format of that name, such as `csv`."""
    reference = next(one.formats[name] for one in MODALITIES.values() if name in one.formats)
    found: Format = load_part(reference)
    return found


def _parts(files: Files) -> list[str]:
    """Return the names of files that are read one by one, or one empty name if all are read together."""
    return [""] if format_of(files).together else files.names


def partitions(files: Files, source: Source) -> Partitions:
    """Return the columns in folder names (`key=value`), which only tables have."""
    return Partitions(files.names if files.format in TABLES else (), source)


def columns_of(files: Files, source: Source) -> dict[str, str] | None:
    """Return the columns of the files, with their types if the files have types.

    Returns None if only the rows show the columns. Raises SourceError if two files differ.
    """
    first: dict[str, str] | None = None
    hive = partitions(files, source)
    for name in _parts(files):
        found = format_of(files).columns(files, name, hive.without(source))
        if found is None:
            return None
        found = {**{column: kind for column, kind in hive.of(name).items() if source.reads(column)}, **found}
        if first is not None:
            _refuse_difference(files, name, first, found)
        known = {column: kind for column, kind in found.items() if kind != NULL}
        first = {**found, **(first or {}), **known}
    return first


def _refuse_difference(files: Files, name: str, first: dict[str, str], found: dict[str, str]) -> None:
    for column in [*first, *found]:
        one, other = first.get(column, "missing"), found.get(column, "missing")
        if one != other and NULL not in (one, other):
            kinds = f"{one or 'there'} in {files.names[0]}, {other or 'there'} in {name}"
            raise SourceError(
                f"{files.path}: the files have different columns; the first difference is {column!r}: {kinds}; "
                "bring the files to the same columns, or take one of them out of the folder"
            )


def blocks(files: Files, source: Source, wanted: list[str] | None = None) -> Iterator[Block]:
    """Yield the rows of all files in order, as clean cells with their positions; `wanted` restricts the columns.

    In delimited files, blanks around cells are trimmed and the texts of `source.nulls` become null. The other formats
    have nulls of their own, so texts become null only if the spec sets `source.nulls` itself.
    """
    delimited = format_of(files).delimited
    tokens = source.nulls if delimited or source.nulls != list(NULL_TOKENS) else []
    nulls = texts(token.strip() if delimited else token for token in tokens)
    position = 0
    hive = partitions(files, source)
    for name in _parts(files):
        first = position
        for cells in format_of(files).batches(files, name, hive.without(source), wanted):
            cells = hive.added(cells, name, source, wanted) if hive.types else cells
            rows = numbered(position, cells.rows)
            position += cells.rows
            yield Block(_clean(cells, nulls), rows, files.shown(name), first)


def _clean(cells: Cells, nulls: pa.Array) -> Cells:
    columns, worded = {}, {}
    for name, array in cells.columns.items():
        columns[name] = _clean_texts(array, nulls)
        if columns[name].null_count > array.null_count and (words := _words(array, columns[name])):
            worded[name] = words
    return replace(cells, columns=columns, worded=worded)


def _words(before: pa.Array, after: pa.Array) -> tuple[int, str] | None:
    """Return the number of cells that became null and were not empty, and the first one's text; None without any."""
    found = before.filter(pc.and_(after.is_null(), pc.not_equal(before, EMPTY)))
    return (len(found), str(found[0].as_py())) if len(found) else None


def _clean_texts(array: pa.Array, nulls: pa.Array) -> pa.Array:
    if not pa.types.is_string(array.type):
        return array
    shortest, longest = pc.min(pc.binary_length(array)).as_py(), pc.max(pc.binary_length(nulls)).as_py()
    if shortest is None or longest is None or shortest > longest:
        return array  # no cell is short enough to be one of the nulls, so the look-up can be skipped
    missing = pc.is_in(array, value_set=nulls)
    return pc.if_else(missing, NO_TEXT, array) if missing.true_count else array


def droppable(source: Source, by: list[str], content: str | None) -> list[str]:
    """Return the columns in which a null drops the row; `content` is the column of texts or images, if it does so."""
    drop = list(by) if source.missing_label == "drop" else []
    return [*drop, content] if content else drop


def complete(block: Block, by: list[str]) -> Block:
    """Return the block without the rows in which any of the `by` columns is null."""
    if not by:
        return block
    cells = block.cells
    keep = reduce(pc.and_, [cells.columns.get(name, pa.nulls(cells.rows)).is_valid() for name in by])
    if keep.true_count == cells.rows:
        return block
    columns, raw = ({n: array.filter(keep) for n, array in some.items()} for some in (cells.columns, cells.raw))
    kept = replace(cells, columns=columns, raw=raw, rows=keep.true_count)
    return Block(kept, block.rows.filter(keep), block.file, block.first)
