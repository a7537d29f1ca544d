"""Reads the held-out rows with the types of the source's plan, and checks them. Knows no classifier."""

import os
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from pipelines.modality import MODALITIES, content_column, modality_of
from pipelines.source.cells import Block
from pipelines.source.content import reader_of
from pipelines.source.files import Files, find_files, fingerprint
from pipelines.source.formats import blocks, columns_of, complete
from pipelines.source.hashed_reading import HashedFiles, changed, hashed
from pipelines.source.infer import convert, misfits
from pipelines.source.splits import SeveralSplitsError
from pipelines.storage.folder import is_uri
from schemas.arrow import ROW, arrow_type
from schemas.errors import Advice, Fault, SourceError, SpecError, join_first, nearest
from schemas.evaluation import Evaluate
from schemas.plan import Column, Plan
from schemas.spec import Source

_MOST_NAMES = 5
_NUMBERS = {"int64": "double"}
"""Whole numbers are read as numbers: held-out rows may have fractions where the source has none."""


def refuse_unfit(plan: Plan, source: Source, settings: Evaluate) -> None:
    """Raise SpecError for what cannot be evaluated, whatever the held-out rows are."""
    if plan.profile.objects:
        problem = "is for classes, one a row: images with boxes are no classification task; leave it out"
        raise SpecError(Fault(("evaluate",), problem))
    if not is_uri(source.path) and os.path.realpath(settings.test) == os.path.realpath(source.path):
        problem = f"these are the rows that the dataset is built from: {settings.test}; give rows that it never sees"
        raise SpecError(Fault(("evaluate", "test"), problem))


def feature_columns(plan: Plan) -> list[Column]:
    """Return the columns that classifiers may use: no ids, no constants, not the label."""
    role = modality_of(plan).content or "feature"
    return [column for column in plan.profile.columns if column.role == role and column.name != plan.label]


def evaluation_schema(plan: Plan) -> pa.Schema:
    """Return the types of the compared rows: the features, then the label."""
    fields = [pa.field(c.name, arrow_type(_NUMBERS.get(c.type, c.type))) for c in feature_columns(plan)]
    return pa.schema([*fields, pa.field(plan.label, arrow_type(plan.profile.column(plan.label).type))])


def test_source(source: Source, plan: Plan, settings: Evaluate) -> Source:
    """Return the held-out rows as a source that is read like the build's source."""
    same: dict[str, Any] = {"path": settings.test, "split": None}
    content = content_column(plan.profile.columns)
    same |= {one.key: content if one is modality_of(plan) else None for one in MODALITIES.values() if one.key}
    if source.columns or source.drop or source.carry:  # of held-out rows nothing else is looked at
        same |= {"columns": evaluation_schema(plan).names, "drop": [], "carry": []}
    return source.model_copy(update=same)


def read_held_out(source: Source, plan: Plan, settings: Evaluate, notes: list[str], mark: str) -> Iterator[pa.Table]:
    """Yield the held-out rows with the columns of `evaluation_schema` and `_row`; append findings to `notes`.

    Raises SourceError where a column is missing, where a cell does not fit the source's type, for rows without a class
    (unless the spec drops them), and, at the end, if the rows do not have the fingerprint `mark`.
    """
    source = test_source(source, plan, settings)
    files = hashed(find_held_out(source))
    try:
        yield from _read_tables(files, source, plan, notes)
    except SourceError:
        _refuse_changed(files, source, mark)
        raise
    _refuse_changed(files, source, mark)


def _refuse_changed(files: HashedFiles, source: Source, mark: str) -> None:
    names = find_held_out(source).names
    if names != files.names or fingerprint(files, source, files.contents()) != mark:
        raise changed(files, "the held-out rows are others now")


def _read_tables(files: HashedFiles, source: Source, plan: Plan, notes: list[str]) -> Iterator[pa.Table]:
    schema = evaluation_schema(plan)
    known = columns_of(files, source)
    if known is not None:
        _compare_columns(files, list(known), plan, notes)
    rows, reader = 0, reader_of(source, plan.profile)
    for part in blocks(files, source, schema.names):
        if known is None and not rows:
            _compare_columns(files, list(part.cells.columns), plan, notes)
        block = _drop_unlabelled(reader.bring(part) if reader else part, source, plan, files)
        rows += block.cells.rows
        yield _convert_block(block, schema, files)
    if not rows:
        raise SourceError(f"{files.path}: there are no held-out rows; check evaluate.test")


def find_held_out(source: Source) -> Files:
    """Return the files of the held-out rows; raises SourceError if there are none, SpecError if they have splits."""
    try:
        return find_files(source, "evaluate.test")
    except SeveralSplitsError as error:
        names = list(error.splits.files)
        if len(names) == 1 and not error.others:
            return find_files(source.model_copy(update={"split": names[0]}))
        problem = (
            f"{source.path} has the splits {', '.join(names)}: give the folder of the one that is held out, or its file"
        )
        raise SpecError(Fault(("evaluate", "test"), problem)) from error


def _compare_columns(files: Files, names: list[str], plan: Plan, notes: list[str]) -> None:
    """Refuse held-out rows that lack a column; note the columns that the source lacks."""
    needed = evaluation_schema(plan).names
    others = [name for name in names if name not in {column.name for column in plan.profile.columns}]
    missing = [name for name in needed if name not in names]
    if missing:
        listed = join_first(map(repr, missing), _MOST_NAMES)
        meant = nearest(missing[0], others or names[:50]) if len(missing) == 1 else ""
        there = "" if meant else f"; it has {', '.join(map(repr, names[:_MOST_NAMES]))}"
        problem = f"the held-out rows lack {len(missing)} of the source's columns: {listed}{meant}{there}"
        raise SourceError(f"{files.path}: {problem}; give rows with the source's columns")
    if others:
        listed = ", ".join(map(repr, others[:_MOST_NAMES])) + (" …" if len(others) > _MOST_NAMES else "")
        notes.append(f"Columns of the held-out rows that the source lacks are not looked at: {listed}.")


def _drop_unlabelled(block: Block, source: Source, plan: Plan, files: Files) -> Block:
    """Return the rows that have a class and content; raises SourceError where the spec refuses rows without a class."""
    content = content_column(plan.profile.columns)
    with_content = complete(block, [content] if content else [])
    labelled = complete(with_content, [plan.label])
    without = with_content.cells.rows - labelled.cells.rows
    if without and source.missing_label == "refuse":
        problem = f"{without:,} held-out rows lack a class (column {plan.label!r})"
        advice = Advice(("source", "missing_label"), "drop")
        said = f"{files.path}: {problem}; fill it in, or leave them out with {advice}"
        raise SourceError(said, code="missing-held-out-label", advice=advice)
    return labelled


def _convert_block(block: Block, schema: pa.Schema, files: Files) -> pa.Table:
    columns = [_convert_column(block.cells.columns.get(field.name), field, block.cells.rows, files) for field in schema]
    return pa.table([*columns, block.rows], schema=schema.append(pa.field(ROW, pa.int64())))


def _convert_column(cells: pa.Array | None, field: pa.Field, rows: int, files: Files) -> pa.Array:
    if cells is None:
        return pa.nulls(rows, field.type)
    values = cells if cells.type == field.type else convert(cells, str(field.type))
    if values is None:
        wrong = misfits(cells, (str(field.type),))
        such = f", such as {str(wrong[0].as_py())[:80]!r}" if len(wrong) else ""
        problem = f"column {field.name!r}: held-out cells are not of the source's type, {field.type}{such}"
        raise SourceError(f"{files.path}: {problem}; mend them, or set source.types.{field.name} to what both are")
    return values
