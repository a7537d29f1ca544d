"""Keeps what the fill step decided, so that a build that is killed later need not decide it again."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pyarrow as pa

from pipelines.fill.loop import AcceptedChunk, FillResult, StratumProgress
from pipelines.storage.folder import Folder
from schemas.errors import ShortfallError
from schemas.plan import Plan

_FILE = "accepted.arrow"
_SHOWN = 3


def save_filled(result: FillResult, folder: Folder) -> None:
    """Write which staged rows are in the dataset, and how the filling went."""
    rows = [chunk.rows for chunk in result.accepted]
    ends = np.cumsum([0, *map(len, rows)])
    table = pa.table(
        {
            "stratum": pa.array([chunk.stratum for chunk in result.accepted], pa.string()),
            "chunk": pa.array([chunk.chunk for chunk in result.accepted], pa.int64()),
            "rows": pa.LargeListArray.from_arrays(ends, np.concatenate([np.array([], np.int32), *rows])),
        }
    )
    strata = json.dumps([asdict(stratum) for stratum in result.strata])
    folder.write_arrow(_FILE, table.replace_schema_metadata({"strata": strata}))


def filled_before(folder: Folder) -> FillResult | None:
    """Return what `save_filled` wrote, or nothing if the classes are not filled yet."""
    return load_filled(folder) if folder.exists(_FILE) else None


def load_filled(folder: Folder) -> FillResult:
    """Return what `save_filled` wrote; raises DamageError if that is gone or damaged."""
    table = folder.read_arrow(_FILE)
    accepted = [
        AcceptedChunk(stratum.as_py(), chunk.as_py(), rows.values.to_numpy())
        for stratum, chunk, rows in zip(*table.columns, strict=True)
    ]
    strata = [StratumProgress(**stratum) for stratum in json.loads(table.schema.metadata[b"strata"])]
    return FillResult(accepted, strata)


def refuse_shortfall(plan: Plan, strata: Sequence[StratumProgress]) -> None:
    """Raise ShortfallError, with one line for each class that is not full, saying why its candidates were rejected."""
    short = [stratum for stratum in strata if stratum.missing]
    if short:
        told = ShortfallError("\n".join(_explain(plan, stratum) for stratum in short))
        raise told.naming(stratum.name for stratum in short)


def _explain(plan: Plan, stratum: StratumProgress) -> str:
    accepted = f"{stratum.accepted:,} of {stratum.target:,} rows accepted"
    reasons = sorted(stratum.rejected.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]
    share = max(1, stratum.candidates)
    why = ", ".join(f"{reason} rejected {rows / share:.0%}" for reason, rows in reasons) or "none was made"
    advice = ["raise budget.attempts_per_row", "choose another generator"]
    if any(reason.startswith("label_agreement") for reason, _ in reasons):
        advice.insert(1, "lower label_agreement.min_probability")
    return (
        f"class {stratum.name!r}: {accepted} after {plan.attempts_per_row:g} attempts a row ({why}); "
        f"{', '.join(advice[:-1])} or {advice[-1]}; finished work is kept"
    )
