"""Collects what the report shows: an even draw of real and synthetic rows, and a few rejected ones."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.fill.chunk import REJECTED, staged_name
from pipelines.fill.loop import FillResult
from pipelines.fill.result import load_filled
from pipelines.fit.even_sample import draw_evenly
from pipelines.modality import modality_notes, modality_of
from pipelines.plan.seeds import derive_seed
from pipelines.plan.version_notes import succession
from pipelines.report.data import ReportData
from pipelines.report.page import render_report
from pipelines.source.ingest import RealRows
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import Workspace
from schemas.arrow import REASON, SHARED, STRATUM, source_schema
from schemas.evaluation import Evaluation
from schemas.manifest import Manifest
from schemas.plan import Plan


def summarise(
    plan: Plan,
    manifest: Manifest,
    real: RealRows,
    workspace: Workspace,
    timings: dict[str, float],
    evaluation: Evaluation | None = None,
) -> str:
    """Return the report as one HTML page."""
    filled = load_filled(workspace.filled)
    seed = derive_seed(plan.seed, "report")
    schema = source_schema(plan.profile.columns).append(pa.field(STRATUM, pa.string()))
    refused = schema.append(pa.field(REASON, pa.string()))
    real_rows: Iterator[pa.Table] = (_cast_to(table, schema) for table in real.tables())
    shown = modality_of(plan).shown_rows
    if plan.key_env:  # the page is not encrypted
        filled, real_rows = FillResult([], []), iter(())
    data = ReportData(
        manifest=manifest,
        real=draw_evenly([schema.empty_table(), *real_rows], shown, seed),
        synthetic=draw_evenly([schema.empty_table(), *_read_made(filled, workspace.staged, schema)], shown, seed),
        rejected=pa.concat_tables(
            [refused.empty_table(), *([] if plan.key_env else _read_rejected(workspace.staged, refused))]
        ),
        timings=timings,
        notes=[*succession(manifest), *_plan_notes(plan), *_private_notes(plan, real)],
        evaluation=evaluation,
    )
    return render_report(data)


def _cast_to(table: pa.Table, schema: pa.Schema) -> pa.Table:
    return table.select(schema.names).cast(schema)


def _read_made(filled: FillResult, staged: Folder, schema: pa.Schema) -> Iterator[pa.Table]:
    for chunk in filled.accepted:
        rows = staged.read_arrow(staged_name(chunk.stratum, chunk.chunk)).take(pa.array(chunk.rows))
        stratum = pa.repeat(pa.scalar(chunk.stratum), rows.num_rows)
        yield _cast_to(rows.append_column(STRATUM, stratum), schema)


def _read_rejected(staged: Folder, schema: pa.Schema) -> Iterator[pa.Table]:
    for name in staged.names():
        if name.endswith(f".{REJECTED}.arrow"):
            yield _cast_to(staged.read_arrow(name), schema)


def _private_notes(plan: Plan, real: RealRows) -> list[str]:
    """Return notes on the cost of not showing rare values of private columns."""
    notes = []
    for column in (column.name for column in plan.profile.columns if column.private):
        counts = pc.value_counts(pa.chunked_array(table[column] for table in real.tables()).drop_null())
        rows = counts.field("counts").to_numpy()
        hidden = rows[rows < SHARED]
        share = hidden.sum() / max(1, rows.sum())
        notes.append(
            f"{column!r} is private: no made row shows a value that fewer than {SHARED} real rows hold. That keeps back"
            f" {len(hidden):,} of its {len(rows):,} values, those of {share:.1%} of its real cells; numbers are drawn"
            " between the others."
        )
    return notes


def _plan_notes(plan: Plan) -> list[str]:
    notes = []
    if plan.key_env:
        notes.append("The dataset is encrypted: this page shows counts by class, and no values.")
    notes.extend(modality_notes(plan))
    if plan.profile.dropped and plan.profile.images is None:
        notes.append(f"{plan.profile.dropped:,} source rows without a class were left out, as the spec allows.")
    ids = [column.name for column in plan.profile.columns if column.role == "id"]
    if ids:
        notes.append(f"Taken for ids, so not modelled and made anew for synthetic rows: {', '.join(ids)}.")
    for name, boxes in (plan.boxes or {}).items():
        if boxes.reached != boxes.target:
            notes.append(
                f"Boxes of {name!r}: {boxes.reached:,} of {boxes.target:,}; no nearer plan of whole images was found."
            )
    if plan.profile.rows > plan.fit_rows:
        notes.append(f"The model was fitted on {plan.fit_rows:,} rows at most (generator.fit_rows).")
    return notes
