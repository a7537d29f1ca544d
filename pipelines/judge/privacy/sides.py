"""Draws what is compared: of each class some rows that the model learnt from, and some that were held out."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.fill.chunk import staged_name
from pipelines.fill.filled import load_filled
from pipelines.fit.draw import draw_evenly
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
"""Name of the column that tells learnt rows from held-out ones."""
PAIRED = "_paired"
"""Name of the column that tells as many rows of either side, for what depends on their number."""
_BLOCK = 4_096
_FILE = "sides.arrow"


def kept(place: Workspace) -> Folder:
    """Return where the gate keeps its own things until the dataset is published."""
    return place.work.at("privacy")


def draw_sides(plan: Plan, real: RealRows, place: Workspace) -> list[str]:
    """Draw and keep both sides; return the classes of which there are any."""
    names = [stratum.name for stratum in plan.strata if stratum.make and holds_out(plan, stratum)]
    if not names:
        return []
    fitted, seed = pa.array(fitted_rows(plan, place.models)), derive_seed(plan.seed, "privacy")
    most, fewer = modality_of(plan).private_rows
    learnt = draw_evenly((_of(t.filter(pc.is_in(t[ROW], fitted)), names) for t in real.tables()), most, seed)
    unseen = (t.filter(pa.array(held_out(t, plan))) for t in real.tables())
    unseen = (t.filter(pc.invert(pc.is_in(t[ROW], fitted))) for t in unseen)  # an earlier version may have learnt them
    others = draw_evenly((_of(t, names) for t in unseen), fewer, seed)
    both = ((learnt, True), (others, False))
    sides = [table.append_column(LEARNT, pa.array([flag] * len(table), pa.bool_())) for table, flag in both]
    drawn = _paired(pa.concat_tables(sides).unify_dictionaries(), seed)
    kept(place).write_arrow(_FILE, drawn)
    return sorted(set(drawn[STRATUM].cast(pa.string()).to_pylist()))


def _of(table: pa.Table, names: list[str]) -> pa.Table:
    return table.filter(pc.is_in(table[STRATUM].cast(pa.string()), pa.array(names, pa.string())))


def _paired(sides: pa.Table, seed: int) -> pa.Table:
    """Tell as many rows of either side of each class; a class of which one side has none is left out."""
    strata, learnt = np.asarray(sides[STRATUM].cast(pa.string())), np.asarray(sides[LEARNT])
    keys = keyed_order(np.asarray(sides[ROW]).astype(np.uint64), seed)
    paired, there = np.zeros(len(keys), bool), np.zeros(len(keys), bool)
    for name in np.unique(strata):
        both = [np.flatnonzero((strata == name) & (learnt == flag)) for flag in (True, False)]
        count = min(map(len, both))
        for rows in both:
            paired[rows[np.argsort(keys[rows])[:count]]] = True
            there[rows] = count > 0
    return sides.append_column(PAIRED, pa.array(paired)).filter(pa.array(there))


def sides_of(name: str, place: Workspace) -> pa.Table:
    """Return both sides of one class."""
    return _of(kept(place).read_arrow(_FILE), [name]).combine_chunks()


def made_rows(plan: Plan, place: Workspace, name: str | None = None) -> Iterator[pa.Table]:
    """Yield the made rows that are in the dataset, of one class or of all, some thousands at a time."""
    filled = load_filled(place.filled)
    columns = source_schema(plan.profile.columns).names
    held: list[pa.Table] = []
    for chunk in filled.accepted:
        if name in (None, chunk.stratum):
            rows = place.staged.read_arrow(staged_name(chunk.stratum, chunk.chunk))
            held.append(rows.select(columns).take(pa.array(chunk.rows)))
        if sum(table.num_rows for table in held) >= _BLOCK:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)
