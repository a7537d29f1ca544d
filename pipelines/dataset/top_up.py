"""What a version keeps of the one before: the numbers of real rows, made rows as candidates, and the model.

All are kept if the source has only grown. Nothing is kept if it lost a row, since made rows may have been learnt from
that row. Rows are matched by a 64-bit hash of their values, which takes 16 bytes of memory a row.
"""

import hashlib
import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.dataset.publish import read_manifest
from pipelines.dataset.shards import dataset_batches
from pipelines.dataset.versions import RECORD, ROWS, damaged_record_error, read_sound_record, records_folder
from pipelines.fill.chunk import staged_name
from pipelines.fit.fitting import can_go_on, model_fingerprint
from pipelines.plan.model_view import modelled
from pipelines.plan.registry import generator_class
from pipelines.source.fingerprint import Words, row_hashes
from pipelines.source.ingest import RealRows, ingested, renumber
from pipelines.source.stored_types import simple_rows
from pipelines.source.strata import stratum_column
from pipelines.storage.folder import Folder
from pipelines.storage.libraries import library_versions
from pipelines.storage.workspace import Workspace, version_name
from schemas.arrow import CARRIED, PARENT_ROW, ROW, source_schema
from schemas.errors import DamageError, OutputError
from schemas.output import Versions
from schemas.plan import Plan, Stratum
from schemas.versions import Base, Learnt, Record

_DECIDED, _MARK = "carried.json", "decided"
_REAL = len("real-")
Numbers = NDArray[np.int64]


def carry_over(plan: Plan, workspace: Workspace, real: RealRows, rule: Versions) -> Plan:
    """Decide what this version keeps of the one before, write that into the work folder, and return the new plan."""
    decided = _read_decision(workspace, real) or _decide(plan, workspace, real, rule).model_dump_json()
    _remove_outdated_work(decided, workspace)
    files = ingested(workspace.real).files  # their names say whether the rows are renumbered already
    workspace.work.write_sealed(_DECIDED, json.dumps([files, decided]).encode())
    kept = Plan.model_validate_json(decided)  # a plan in a file may name any module: take no name from it
    plan = plan.model_copy(update={"base": kept.base, "model": kept.model, "strata": kept.strata})
    workspace.keep_plan(plan)
    return plan


def _read_decision(workspace: Workspace, real: RealRows) -> str | None:
    """Return the decision that was written down for this copy of the source, or None."""
    if not workspace.work.exists(_DECIDED):
        return None
    files, decided = json.loads(workspace.work.read_sealed(_DECIDED))
    return str(decided) if files == list(real.files) else None


def _remove_outdated_work(decided: str, workspace: Workspace) -> None:
    """Remove work that followed another decision, such as to use a model again that is gone by now."""
    mark = hashlib.sha256(decided.encode()).digest()
    if not workspace.work.is_whole(_MARK) or workspace.work.read_sealed(_MARK) != mark:
        for folder in (workspace.staged, workspace.filled, workspace.validators, workspace.work.at("privacy")):
            folder.remove()
        workspace.work.write_sealed(_MARK, mark)


def _decide(plan: Plan, workspace: Workspace, real: RealRows, rule: Versions) -> Plan:
    base, series = plan.base, workspace.series
    record = read_sound_record(series, base.version) if base and series else None
    if base is None or series is None or base.anew or record is None:
        return plan
    known = _read_known_rows(series, base.version)
    hashes, before = np.asarray(known["hash"]), np.asarray(known["number"])
    numbers, gone = match_rows(hashes, before, _hash_real_rows(plan, real), record.next_row)
    if gone:
        return _set_base(plan, base.model_copy(update={"anew": f"{gone:,} row(s) of its source are gone"}))
    renumber(real, numbers)
    model, refitted = _choose_model(plan, workspace, record.learnt, rule)
    plan = _set_base(plan, base.model_copy(update={"refitted": refitted}))
    return plan.model_copy(update={"model": model, "strata": _write_carried(plan, workspace, series.at(base.version))})


def _read_known_rows(series: Folder, version: str) -> pa.Table:
    try:
        return records_folder(series).at(version).read_arrow(ROWS)
    except DamageError as error:
        raise damaged_record_error(series, version) from error


def _set_base(plan: Plan, base: Base) -> Plan:
    return plan.model_copy(update={"base": base})


def match_rows(known: Words, numbers: Numbers, now: Words, next_number: int) -> tuple[Numbers, int]:
    """Return a number for each row of `now`, and how many known rows are missing in it.

    A row gets the number of the known row with the same hash; new rows get the numbers from `next_number` on. Rows of
    equal hash are matched in their order. The numbers are int64 of shape (rows now,).

    >>> match_rows(np.array([7, 8], np.uint64), np.array([0, 1]), np.array([9, 7], np.uint64), 2)
    (array([2, 0]), 1)
    """
    before, after = np.argsort(known, kind="stable"), np.argsort(now, kind="stable")
    held, wanted = known[before], now[after]
    nth = np.arange(len(held)) - np.searchsorted(held, held)
    places = np.searchsorted(wanted, held) + nth
    there = places < len(wanted)
    there[there] = wanted[places[there]] == held[there]
    found = np.full(len(now), -1, np.int64)
    found[after[places[there]]] = numbers[before[there]]
    new = found < 0
    found[new] = next_number + np.arange(np.count_nonzero(new))
    return found, int(np.count_nonzero(~there))


def _hash_real_rows(plan: Plan, real: RealRows) -> Words:
    return np.concatenate([np.zeros(0, np.uint64), *(row_hashes(table) for table in real.own_cells(plan))])


def _choose_model(
    plan: Plan, workspace: Workspace, learnt: Learnt | None, rule: Versions
) -> tuple[str | None, str | None]:
    """Return the fingerprint of the model to use again and None, or None and the reason why a model is fitted anew."""
    if learnt is None or not plan.makes_rows:
        return None, None
    rows, needed = plan.profile.rows, {stratum.name for stratum in plan.strata if stratum.make}
    grown = rows / max(1, learnt.rows) - 1
    new = sorted(needed - set(learnt.classes))
    if learnt.versions != library_versions():
        return None, "other versions of libraries"
    if learnt.machine != plan.machine:
        return None, "another kind of machine"
    if learnt.columns != _modelled_columns(plan):
        return None, "other columns to model"
    if new:
        return None, f"{len(new):,} class(es) that the model does not know"
    if grown > rule.refit_after:
        return None, f"the source has grown by {grown:.1%} since the last fit"
    if not can_go_on(plan.model_copy(update={"model": learnt.fingerprint}), workspace):
        return None, "the fitted model is gone"
    return learnt.fingerprint, None


def _modelled_columns(plan: Plan) -> list[tuple[str, str]]:
    return [(column.name, column.type) for column in modelled(plan.profile)]


def _write_carried(plan: Plan, workspace: Workspace, version: Folder) -> list[Stratum]:
    """Write the version's made rows of each class that needs some as chunks; return the strata with their count."""
    workspace.carried.remove()
    chunks = {stratum.name: 0 for stratum in plan.strata if stratum.make}
    sizes = {stratum.name: stratum.chunk_rows for stratum in plan.strata}
    held: dict[str, pa.Table] = {}
    for name, rows in _read_made_rows(plan, version):
        if name not in chunks:
            continue
        rows = pa.concat_tables([held.pop(name), rows]) if name in held else rows
        while rows.num_rows >= sizes[name]:
            _write_chunk(workspace, name, chunks, rows.slice(0, sizes[name]))
            rows = rows.slice(sizes[name])
        held[name] = rows
    for name, rows in held.items():
        if rows.num_rows:
            _write_chunk(workspace, name, chunks, rows)
    return [stratum.model_copy(update={"carried": chunks.get(stratum.name, 0)}) for stratum in plan.strata]


def _write_chunk(workspace: Workspace, name: str, chunks: dict[str, int], rows: pa.Table) -> None:
    workspace.carried.write_arrow(staged_name(name, chunks[name]), rows)
    chunks[name] += 1


def _read_made_rows(plan: Plan, version: Folder) -> Iterator[tuple[str, pa.Table]]:
    """Yield the version's made rows by class: the source's columns, `_parent_row` and the carried provenance."""
    manifest, schema = read_manifest(version), source_schema(plan.profile.columns)
    if manifest is None:
        raise OutputError(f"{version.shown}: its manifest is gone by now; run the same command again")
    columns = [*schema.names, *CARRIED, "_origin", "_parent"]
    try:
        for batch in dataset_batches(version, manifest, columns):
            made = simple_rows(batch.filter(pc.not_equal(batch["_origin"], "real")), manifest.columns)
            rows = made.select(schema.names).cast(schema)
            numbers = pc.utf8_slice_codeunits(made["_parent"], _REAL).cast(pa.int64())
            for name, column in [(PARENT_ROW, numbers), *((one, made[one]) for one in CARRIED)]:
                rows = rows.append_column(name, column)
            strata = stratum_column(made, plan.by, plan.class_values).cast(pa.string())
            for name in strata.unique().to_pylist():
                yield name, rows.filter(pc.equal(strata, name))
    except OutputError as error:
        advice = "restore it, or remove the whole folder to go on from the version before it"
        raise OutputError(f"{error}; {advice}") from error


def write_record(plan: Plan, workspace: Workspace, real: RealRows) -> None:
    """Write down what the next version needs, before this one is published; nothing for an encrypted dataset.

    Hashes are not encrypted: whoever guesses a row could check by them whether it is in the dataset. So no version
    tops up an encrypted one.
    """
    if workspace.series is None or plan.version is None or plan.recipe is None or plan.key_env:
        return
    folder = records_folder(workspace.series).at(version_name(plan.version))
    numbers = np.concatenate([np.zeros(0, np.int64), *(np.asarray(table[ROW]) for table in real.tables())])
    folder.write_arrow(ROWS, pa.table({"hash": _hash_real_rows(plan, real), "number": numbers}))
    before = read_sound_record(workspace.series, plan.continues.version) if plan.continues else None
    start = before.next_row if before else plan.profile.rows + plan.profile.dropped
    record = Record(
        recipe=plan.recipe,
        next_row=max(start, int(numbers.max(initial=-1)) + 1),
        learnt=_make_learnt(plan, before.learnt if before else None),
    )
    folder.write_sealed(RECORD, record.model_dump_json().encode())


def _make_learnt(plan: Plan, before: Learnt | None) -> Learnt | None:
    if plan.model or not plan.makes_rows:
        return before
    least = generator_class(plan.generator.name).capabilities.min_class_rows
    return Learnt(
        fingerprint=model_fingerprint(plan),
        rows=plan.profile.rows,
        columns=_modelled_columns(plan),
        classes=[stratum.name for stratum in plan.strata if stratum.real >= least],
        versions=library_versions(),
        machine=plan.machine,
    )
