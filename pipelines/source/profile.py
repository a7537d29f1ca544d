"""Profiles the source in one reading: its columns with their types, and the number of rows of each class.

Types are inferred here only. Memory is bounded by a block, and by a cap for each column.
"""

from collections.abc import Iterable

from pipelines.modality import find_named_content
from pipelines.source.cells import Block, check_chosen
from pipelines.source.classes import Classes
from pipelines.source.column import ColumnState
from pipelines.source.content import Reader, reader_of
from pipelines.source.decimals import exact_type
from pipelines.source.files import Files, find_files, fingerprint
from pipelines.source.formats import blocks, columns_of, complete, droppable, format_of, partitions
from pipelines.source.hashed_reading import content_hash, hashed
from pipelines.source.infer import NUMBER
from pipelines.source.spellings import Spellings
from schemas.errors import Advice, Fault, SourceError, SpecError, nearest
from schemas.plan import Column, SourceProfile
from schemas.spec import Source


def profile_source(source: Source, by: list[str]) -> SourceProfile:
    """Return the profile of the source from one streaming read, types included.

    `by` are the columns whose combinations are counted. Raises SourceError if the source cannot be read, and SpecError
    if the spec names a column that the source lacks.
    """
    files = hashed(find_files(source))
    known = columns_of(files, source)
    if known is not None:
        _refuse_unknown(files, source, by, list(known), list(source.types))
    form = format_of(files)
    index = form.index(files, source)
    _refuse_carried(source, by)
    states = {
        name: ColumnState(name, source.types.get(name), name == index, name in source.carry) for name in known or {}
    }
    classes, spellings = Classes(by), Spellings(by)
    reader = reader_of(source)
    total = _observe(files, source, by, states, (classes, spellings), reader)
    rows = next(iter(states.values())).rows if states else 0
    if not total:
        raise SourceError(f"{files.path}: there are no data rows, only a header or nothing; check source.path")
    _refuse_unknown(files, source, by, list(states), list(source.types))
    check_chosen([*states, *source.drop], source)
    _keep_digits(files, source, states)
    images = reader.finish() if reader else None
    _refuse_nulls(files, states, by, total)
    if reader:
        reader.refuse(files.path, states, total)
    columns = [state.finish(is_key=state.name in (source.label, *by)) for state in states.values()]
    names = form.names(files)
    columns = [_named(column, names[column.name]) if column.name in names else column for column in columns]
    types = {column.name: column.type for column in columns}
    contents = files.contents()
    return SourceProfile(
        path=files.path,
        format=files.format,
        files=files.names,
        bytes=files.bytes,
        rows=rows,
        dropped=total - rows,
        columns=columns,
        by=by,
        counts=classes.finish(types),
        merged=spellings.finish(types),
        fingerprint=fingerprint(files, source, contents),
        content=content_hash(contents),
        images=images,
        written=form.written(files, source),
        lost=[*form.lost(files, source), *files.doubts, *partitions(files, source).told()],
    )


def _observe(
    files: Files,
    source: Source,
    by: list[str],
    states: dict[str, ColumnState],
    counting: tuple[Classes, Spellings],
    reader: Reader | None,
) -> int:
    """Add all blocks to the states, and return the number of rows, including dropped ones."""
    total = rows = 0
    drop = droppable(source, by, reader.column if reader and reader.drops else None)
    for found in blocks(files, source):
        block = reader.observe(found) if reader else found
        total += block.cells.rows
        _add_new(states, block, source, rows)
        if rows == 0:
            _refuse_unknown(files, source, by, list(states), [])
        kept = complete(block, drop)
        rows += kept.cells.rows
        for state in states.values():
            state.observe(kept)
        for one in counting:
            one.observe(kept)
    return total


def _keep_digits(files: Files, source: Source, states: dict[str, ColumnState]) -> None:
    """Turn columns whose numbers would lose digits as doubles into decimals or text, by reading them again."""
    for state in states.values():
        if state.lossy and state.type == NUMBER and not state.declared:
            state.keep_digits(exact_type(files, source, state.name))


def _named(column: Column, names: list[str]) -> Column:
    """Return the column with its class names if each of its numbers has one; -1 means no class."""
    known = column.type == "int64" and isinstance(column.minimum, int) and isinstance(column.maximum, int)
    fits = known and int(column.minimum or 0) >= -1 and int(column.maximum or 0) < len(names)
    return column.model_copy(update={"names": names}) if fits else column


def _add_new(states: dict[str, ColumnState], block: Block, source: Source, rows: int) -> None:
    """Add states for columns that are new in this block; they are null in all earlier rows."""
    for name in block.cells.columns:
        if name not in states:
            carried = name in source.carry
            states[name] = ColumnState(name, source.types.get(name), carried=carried, rows=rows, nulls=rows)


def _refuse_unknown(files: Files, source: Source, by: list[str], names: list[str], typed: Iterable[str]) -> None:
    known = [name[:80] if name.isprintable() else repr(name[:80]) for name in names[:50]]
    wanted: list[tuple[tuple[str, ...], str]] = [(("source", "label"), source.label)]
    content = find_named_content(source)
    wanted += [(("source", str(content[0].key)), content[1])] if content else []
    wanted += [(("balance", "by"), name) for name in by if name != source.label]
    wanted += [(("source", "types", name), name) for name in typed]
    hint, advice = format_of(files).advice(files, source)
    faults = [
        Fault(path, f"the source has no column {name!r}{nearest(name, known)}{hint}", "unknown-column", advice)
        for path, name in wanted
        if name not in names
    ]
    if faults:
        raise SpecError(*faults)


def _refuse_carried(source: Source, by: list[str]) -> None:
    """Raise SpecError if a carried column, which made rows lack, is also in balance.by or source.types."""
    both = next((name for name in source.carry if name in by or name in source.types), None)
    if both is not None:
        problem = f"column {both!r} is also in balance.by or source.types, and what is carried has no part in anything"
        raise SpecError(Fault(("source", "carry"), f"{problem}; take it out of one of them"))


def _refuse_nulls(files: Files, states: dict[str, ColumnState], by: list[str], total: int) -> None:
    """Raise SourceError if rows have no class, or if no row is left after the spec dropped them."""
    if not states[by[0]].rows:
        raise SourceError(f"{files.path}: all {total:,} rows lack a class ({', '.join(by)}); check source.label")
    for name in by:
        if nulls := states[name].nulls:
            advice = Advice(("source", "missing_label"), "drop")
            raise SourceError(
                f"column {name!r}: {nulls:,} of {total:,} rows have no class; fill it in, or leave these rows out with "
                f"{advice}",
                code="missing-label",
                advice=advice,
            )
