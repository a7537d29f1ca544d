"""Draws the rows to compare: of each class some that the model learnt from, and some that were held out."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.fill.chunk import staged_name
from pipelines.fill.result import load_filled
from pipelines.fit.even_sample import draw_evenly
from pipelines.fit.fitting import fitted_rows
from pipelines.fit.held_out import held_out, holds_out
from pipelines.modality import modality_of
from pipelines.plan.seeds import derive_seed, keyed_order
from pipelines.source.ingest import RealRows
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import Workspace
from schemas.arrow import ROW, STRATUM, source_schema
from schemas.plan import Plan

LEARNT = "_learnt"
"""Name of the column that marks learnt rows; the others are held out."""
PAIRED = "_paired"
"""Name of the column that marks equally many rows of either side, for figures that depend on the number of rows."""
_BLOCK = 4_096
_FILE = "sides.arrow"


def privacy_folder(workspace: Workspace) -> Folder:
    """Return the folder in which the gate stores its own files until the dataset is published."""
    return workspace.work.at("privacy")


def draw_sides(plan: Plan, real: RealRows, workspace: Workspace) -> list[str]:
    """Draw and store both sides; return the classes that have rows on both."""
    names = [stratum.name for stratum in plan.strata if stratum.make and holds_out(plan, stratum)]
    if not names:
        return []
    fitted, seed = pa.array(fitted_rows(plan, workspace.models)), derive_seed(plan.seed, "privacy")
    most, fewer = modality_of(plan).private_rows
    learnt = draw_evenly(
        (_select_classes(t.filter(pc.is_in(t[ROW], fitted)), names) for t in real.tables()), most, seed
    )
    unseen = (t.filter(pa.array(held_out(t, plan))) for t in real.tables())
    unseen = (t.filter(pc.invert(pc.is_in(t[ROW], fitted))) for t in unseen)  # an earlier version may have learnt them
    others = draw_evenly((_select_classes(t, names) for t in unseen), fewer, seed)
    both = ((learnt, True), (others, False))
    sides = [table.append_column(LEARNT, pa.array([flag] * len(table), pa.bool_())) for table, flag in both]
    drawn = _mark_pairs(pa.concat_tables(sides).unify_dictionaries(), seed)
    privacy_folder(workspace).write_arrow(_FILE, drawn)
    return sorted(set(drawn[STRATUM].cast(pa.string()).to_pylist()))


def _select_classes(table: pa.Table, names: list[str]) -> pa.Table:
    return table.filter(pc.is_in(table[STRATUM].cast(pa.string()), pa.array(names, pa.string())))


def _mark_pairs(sides: pa.Table, seed: int) -> pa.Table:
    """Mark equally many rows of either side of each class; a class without rows on one side is left out."""
    strata, learnt = np.asarray(sides[STRATUM].cast(pa.string())), np.asarray(sides[LEARNT])
    keys = keyed_order(np.asarray(sides[ROW]).astype(np.uint64), seed)
    paired, is_kept = np.zeros(len(keys), bool), np.zeros(len(keys), bool)
    for name in np.unique(strata):
        both = [np.flatnonzero((strata == name) & (learnt == flag)) for flag in (True, False)]
        count = min(map(len, both))
        for rows in both:
            paired[rows[np.argsort(keys[rows])[:count]]] = True
            is_kept[rows] = count > 0
    return sides.append_column(PAIRED, pa.array(paired)).filter(pa.array(is_kept))


def sides_of(name: str, workspace: Workspace) -> pa.Table:
    """Return both sides of one class."""
    return _select_classes(privacy_folder(workspace).read_arrow(_FILE), [name]).combine_chunks()


def made_rows(plan: Plan, workspace: Workspace, name: str | None = None) -> Iterator[pa.Table]:
    """Yield the made rows of the dataset, of one class or of all, some thousands at a time."""
    filled = load_filled(workspace.filled)
    columns = source_schema(plan.profile.columns).names
    tables: list[pa.Table] = []
    for chunk in filled.accepted:
        if name in (None, chunk.stratum):
            rows = workspace.staged.read_arrow(staged_name(chunk.stratum, chunk.chunk))
            tables.append(rows.select(columns).take(pa.array(chunk.rows)))
        if sum(table.num_rows for table in tables) >= _BLOCK:
            yield pa.concat_tables(tables)
            tables = []
    if tables:
        yield pa.concat_tables(tables)
