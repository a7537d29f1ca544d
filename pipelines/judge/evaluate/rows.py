"""Collects the rows to compare: the source's rows, the held-out rows, and those of the published training split.

They are written as Arrow files into a folder of the evaluation, with `_class` (the class's number) instead of the
label, and each trial reads them from there. Of more than `max_rows`, the same share of raw and built rows is drawn, by
a hash of each row, so that the real rows are the same on both sides.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.dataset.shards import open_shard
from pipelines.judge.evaluate.held_out import evaluation_schema, feature_columns, read_held_out, refuse_unfit
from pipelines.modality import load_part, modality_of
from pipelines.plan.seeds import derive_seed, keyed_order
from pipelines.source import read_source
from pipelines.source.fingerprint import row_hashes
from pipelines.source.stored_types import simple_rows
from pipelines.storage.encryption import Key
from pipelines.storage.folder import Folder
from pipelines.validate.classes import Classes, class_codes
from schemas.arrow import ROW
from schemas.base import Noun
from schemas.errors import SourceError, nearest
from schemas.evaluation import Evaluate
from schemas.manifest import Manifest
from schemas.plan import Plan
from schemas.spec import Source, value_name

CLASS, MADE = "_class", "_made"
RAW, BUILT, TEST, CLASSES = "raw.arrow", "built.arrow", "test.arrow", "classes.arrow"
REAL_RECORD, BUILT_RECORD = "real.json", "built.json"
_MOST_NAMES = 5


class RealRecord(Noun):
    """The names of the classes in the order of their numbers, and the rows of each in the source and held out."""

    classes: list[str]
    raw: list[int]
    test: list[int]
    notes: list[str]


class BuiltRecord(Noun):
    """The rows of each class in the published training split, and how many of them are made."""

    rows: list[int]
    made: list[int]


def gather_real(source: Source, plan: Plan, settings: Evaluate, scratch: Folder, held_out: str) -> RealRecord:
    """Write the raw and the held-out rows; raises SpecError or SourceError for held-out rows that do not fit.

    `held_out` is the fingerprint of the held-out rows at the time of the request.
    """
    refuse_unfit(plan, source, settings)
    if scratch.exists(REAL_RECORD):
        return RealRecord.model_validate_json(scratch.read_sealed(REAL_RECORD))
    notes: list[str] = []
    raw, classes, seen = _raw_rows(source, plan, settings)
    test = _held_out_rows(read_held_out(source, plan, settings, notes, held_out), plan, settings, classes, notes)
    names = [value_name(value) for value in classes.to_pylist()]
    record = RealRecord(classes=names, raw=_count_classes(raw, names), test=_count_classes(test, names), notes=notes)
    _refuse_absent(record, settings)
    notes += [*_note_copies(test, seen, plan), *_note_unseen(test, plan), *_note_sampling(raw, plan, settings)]
    for name, table in ((RAW, raw), (TEST, test), (CLASSES, pa.table({"class": classes}))):
        scratch.write_arrow(name, table)
    record = record.model_copy(update={"notes": notes})
    scratch.write_sealed(REAL_RECORD, record.model_dump_json().encode())
    return record


def gather_built(
    plan: Plan, settings: Evaluate, manifest: Manifest, dataset: Folder, key: Key | None, scratch: Folder
) -> BuiltRecord:
    """Write the rows of the published training split, with the column `_made`."""
    if scratch.exists(BUILT_RECORD):
        return BuiltRecord.model_validate_json(scratch.read_sealed(BUILT_RECORD))
    classes = scratch.read_arrow(CLASSES)["class"].combine_chunks()
    share, seed = _share(plan, settings), derive_seed(plan.seed, "evaluate", "rows")
    parts = [_draw_rows(rows, _row_numbers(rows), share, seed) for rows in _read_shards(plan, manifest, dataset, key)]
    schema = evaluation_schema(plan)
    tables = [
        _with_class_numbers(rows.select(schema.names).cast(schema), classes).append_column(
            MADE, pc.not_equal(rows["_origin"], "real")
        )
        for rows in (part.filter(pc.is_valid(part[plan.label])) for part in parts)
    ]
    table = pa.concat_tables(tables).combine_chunks()
    scratch.write_arrow(BUILT, table)
    names = classes.to_pylist()
    record = BuiltRecord(rows=_count_classes(table, names), made=_count_classes(table.filter(table[MADE]), names))
    scratch.write_sealed(BUILT_RECORD, record.model_dump_json().encode())
    return record


def train_split(plan: Plan) -> str:
    """Return the split that classifiers learn from: `train`, or the first one."""
    return "train" if "train" in plan.splits else next(iter(plan.splits))


def _raw_rows(source: Source, plan: Plan, settings: Evaluate) -> tuple[pa.Table, pa.Array, NDArray[np.uint64]]:
    """Return the drawn rows of the source, its classes in order, and the hashes of all its rows."""
    schema = evaluation_schema(plan)
    share, seed = _share(plan, settings), derive_seed(plan.seed, "evaluate", "rows")
    numbering = Classes(schema.field(plan.label).type)
    parts, hashes = [schema.empty_table()], [np.zeros(0, np.uint64)]
    for part in read_source(source, plan.profile, columns=schema.names):
        table = part.filter(pc.is_valid(part[plan.label]))
        rows = table.select(schema.names).cast(schema)
        numbering.number(rows[plan.label])
        hashes.append(_hash_features(rows, plan))
        parts.append(_draw_rows(rows, table[ROW].to_numpy().astype(np.uint64), share, seed))
    classes = numbering.ordered()
    return (
        _with_class_numbers(pa.concat_tables(parts).combine_chunks(), classes),
        classes,
        np.unique(np.concatenate(hashes)),
    )


def _held_out_rows(
    parts: Iterable[pa.Table], plan: Plan, settings: Evaluate, classes: pa.Array, notes: list[str]
) -> pa.Table:
    """Return the held-out rows, evenly drawn if there are too many; refuses classes that the source lacks."""
    schema, tables = evaluation_schema(plan), []
    unknown: Counter[str] = Counter()
    total = 0
    for part in parts:
        codes = class_codes(part[plan.label], classes)
        for value in part[plan.label].filter(pa.array(codes < 0)).value_counts().to_pylist():
            unknown[value_name(value["values"])] += value["counts"]
        total += part.num_rows
        tables.append(part)
    if unknown:
        names = [value_name(value) for value in classes.to_pylist()]
        names_and_rows = ", ".join(
            f"{name!r} ({rows:,} rows){nearest(name, names)}" for name, rows in unknown.most_common(3)
        )
        problem = f"the held-out rows have classes that the source lacks: {names_and_rows}"
        raise SourceError(f"{settings.test}: {problem}; take these rows out, or mend column {plan.label!r}")
    table = pa.concat_tables(tables)
    if total > settings.max_rows:
        seed = derive_seed(plan.seed, "evaluate", "test")
        table = _draw_rows(table, table[ROW].to_numpy().astype(np.uint64), settings.max_rows / total, seed)
        notes.append(f"Of {total:,} held-out rows {table.num_rows:,} were drawn (evaluate.max_rows).")
    return _with_class_numbers(table.select(schema.names).combine_chunks(), classes)


def _refuse_absent(record: RealRecord, settings: Evaluate) -> None:
    absent = [name for name, rows in zip(record.classes, record.test, strict=True) if not rows]
    if absent:
        listed = ", ".join(map(repr, absent[:_MOST_NAMES])) + (" …" if len(absent) > _MOST_NAMES else "")
        problem = f"no held-out row of {len(absent)} of the source's {len(record.classes)} classes: {listed}"
        raise SourceError(f"{settings.test}: {problem}; nothing can be said of a class without rows; add some")


def _share(plan: Plan, settings: Evaluate) -> float:
    """Return the share of rows that is drawn, the same on both sides."""
    built = sum(stratum.target for stratum in plan.strata) * plan.splits[train_split(plan)]
    return min(1.0, settings.max_rows / max(plan.profile.rows, built, 1))


def _draw_rows(table: pa.Table, numbers: NDArray[np.uint64], share: float, seed: int) -> pa.Table:
    """Return the rows whose numbers are drawn; a number is drawn or not whatever the table."""
    if share >= 1:
        return table
    return table.filter(pa.array(keyed_order(numbers, seed) < np.uint64(int(share * 2.0**64))))


def _row_numbers(rows: pa.Table) -> NDArray[np.uint64]:
    """Return each published row's number: a real row's position in the source, a hash of a made row's id."""
    real = pc.equal(rows["_origin"], "real").to_numpy()
    numbers = row_hashes(rows.select(["_id"]))
    positions = pc.utf8_slice_codeunits(rows["_id"].filter(pa.array(real)), len("real-")).cast(pa.uint64())
    numbers[real] = positions.to_numpy()
    return numbers


def _read_shards(plan: Plan, manifest: Manifest, dataset: Folder, key: Key | None) -> Iterator[pa.Table]:
    """Yield the shards of the training split."""
    columns = [*evaluation_schema(plan).names, "_id", "_origin"]
    for shard in manifest.shards:
        if shard.split == train_split(plan):
            yield simple_rows(open_shard(dataset, shard, key).read(columns).select(columns), manifest.columns)


def _with_class_numbers(table: pa.Table, classes: pa.Array) -> pa.Table:
    """Return the rows with `_class` instead of the label, which is the last column."""
    codes = class_codes(table.column(table.num_columns - 1), classes)
    return table.remove_column(table.num_columns - 1).append_column(CLASS, pa.array(codes))


def _count_classes(table: pa.Table, classes: list[str]) -> list[int]:
    counts: list[int] = np.bincount(table[CLASS].to_numpy(), minlength=len(classes)).tolist()
    return counts


def _hash_features(rows: pa.Table, plan: Plan) -> NDArray[np.uint64]:
    """Return a hash of each row that shows copies: of all its features, or of an image's pixels."""
    hashes: NDArray[np.uint64] = load_part(modality_of(plan).hashes)(
        rows.select([column.name for column in feature_columns(plan)])
    )
    return hashes


def _note_copies(test: pa.Table, seen: NDArray[np.uint64], plan: Plan) -> Iterable[str]:
    copies = int(np.isin(_hash_features(test, plan), seen).sum())
    if copies:
        yield (
            f"{copies:,} of {test.num_rows:,} held-out rows are the same as a source row in all features; if they are"
            " no chance matches, the classifiers have seen them, and all figures here are too good."
        )


def _note_unseen(test: pa.Table, plan: Plan) -> Iterable[str]:
    """Yield a note for each column whose held-out rows have new categories; encrypted datasets name none of them."""
    for column in feature_columns(plan):
        if column.categories is None:
            continue
        values = test[column.name].drop_null()
        new = values.filter(pc.invert(pc.is_in(values, value_set=pa.array(column.categories, pa.string()))))
        if len(new):
            names = sorted(new.unique().to_pylist())
            listed = ", ".join(map(repr, names[:3])) + (" …" if len(names) > 3 else "")
            values_note = "" if plan.key_env else f" ({listed})"
            yield (
                f"Column {column.name!r}: {len(new):,} of {test.num_rows:,} held-out rows have values that no source"
                f" row has{values_note}; classifiers take them for missing."
            )


def _note_sampling(raw: pa.Table, plan: Plan, settings: Evaluate) -> Iterable[str]:
    if _share(plan, settings) < 1:
        yield (
            f"Classifiers learned from {_share(plan, settings):.1%} of the rows ({raw.num_rows:,} of"
            f" {plan.profile.rows:,} raw ones), the same share and the same real rows on each side (evaluate.max_rows)."
        )
    split = train_split(plan)
    if plan.splits[split] < 1:
        yield (
            f"This build is its split {split!r}, {plan.splits[split]:.0%} of its rows; all others learn from all raw"
            " rows."
        )
