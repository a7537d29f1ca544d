"""What a format of source files is, and the stream of clean blocks that a source is, whatever its format."""

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
    """How files of one format are read; `columns` returns None where only the rows tell.

    Where the files are rows and not tables, both read them all `together`, and get no name. Cells that are `delimited`
    are all texts, some of which stand for what is missing. `declared` says that annotations declare the size of images.

    Of the first file: `written` says in words how it is written where that is not what its name says, `index` what its
    unnamed first column is called, `headless` whether it has no header row, and `advice` what to do then where a column
    is not found, in words, with the key that mends it if there is one; `names` are those of numbered classes by column.
    Of all files `lost` says, in sentences and once their rows were read, what of them is in none, and `label` which
    column is the class, or seems to be, where it is no table.
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
    """Return how the files are read."""
    return format_named(files.format)


def format_named(name: str) -> Format:
    """Return the format of a name."""
    reference = next(one.formats[name] for one in MODALITIES.values() if name in one.formats)
    found: Format = load_part(reference)
    return found


def _parts(files: Files) -> list[str]:
    """Return the files that are read one by one; one empty name where all are read together."""
    return [""] if format_of(files).together else files.names


def partitions(files: Files, source: Source) -> Partitions:
    """Return the columns in the names of folders, which only tables have."""
    return Partitions(files.names if files.format in TABLES else (), source)


def columns_of(files: Files, source: Source) -> dict[str, str] | None:
    """Return the columns that all files share, with their types where the files tell them.

    None if the format has no columns but those of its rows. Raises SourceError where two files differ.
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

    In delimited files blanks around a cell were trimmed, and the texts of `source.nulls` are null. In the other formats
    a missing value has a sign of its own, so only null texts that the spec gives itself are taken for it.
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
    """Return how many cells are null now and were no empty text, and one of them."""
    found = before.filter(pc.and_(after.is_null(), pc.not_equal(before, EMPTY)))
    return (len(found), str(found[0].as_py())) if len(found) else None


def _clean_texts(array: pa.Array, nulls: pa.Array) -> pa.Array:
    if not pa.types.is_string(array.type):
        return array
    shortest, longest = pc.min(pc.binary_length(array)).as_py(), pc.max(pc.binary_length(nulls)).as_py()
    if shortest is None or longest is None or shortest > longest:
        return array  # no cell can be one of them, which is faster to see than to look each up
    missing = pc.is_in(array, value_set=nulls)
    return pc.if_else(missing, NO_TEXT, array) if missing.true_count else array


def droppable(source: Source, by: list[str], content: str | None) -> list[str]:
    """Return the columns in which a null drops the row; `content` is the one of whole rows, if that does."""
    drop = list(by) if source.missing_label == "drop" else []
    return [*drop, content] if content else drop


def complete(block: Block, by: list[str]) -> Block:
    """Return the block without the rows where one of the `by` columns is null."""
    if not by:
        return block
    cells = block.cells
    keep = reduce(pc.and_, [cells.columns.get(name, pa.nulls(cells.rows)).is_valid() for name in by])
    if keep.true_count == cells.rows:
        return block
    columns, raw = ({n: array.filter(keep) for n, array in some.items()} for some in (cells.columns, cells.raw))
    kept = replace(cells, columns=columns, raw=raw, rows=keep.true_count)
    return Block(kept, block.rows.filter(keep), block.file, block.first)
