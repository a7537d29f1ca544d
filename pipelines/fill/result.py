"""Stores the decisions of the fill step, so that a killed build need not decide again."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pyarrow as pa

from pipelines.fill.loop import AcceptedChunk, FillResult, StratumProgress
from pipelines.plan.registry import make_validators
from pipelines.storage.folder import Folder
from pipelines.validate.base import Lenient, is_reason_of
from schemas.errors import ShortfallError
from schemas.plan import Plan

_FILE = "accepted.arrow"
_SHOWN = 3


def save_filled(result: FillResult, folder: Folder) -> None:
    """Write which staged rows are in the dataset, and the progress of each class."""
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
    """Return what `save_filled` wrote, or None if the classes are not filled yet."""
    return load_filled(folder) if folder.exists(_FILE) else None


def load_filled(folder: Folder) -> FillResult:
    """Return what `save_filled` wrote; raises DamageError if it is missing or damaged."""
    table = folder.read_arrow(_FILE)
    accepted = [
        AcceptedChunk(stratum.as_py(), chunk.as_py(), rows.values.to_numpy())
        for stratum, chunk, rows in zip(*table.columns, strict=True)
    ]
    strata = [StratumProgress(**stratum) for stratum in json.loads(table.schema.metadata[b"strata"])]
    return FillResult(accepted, strata)


def refuse_shortfall(plan: Plan, strata: Sequence[StratumProgress]) -> None:
    """Raise ShortfallError with a line for each class that is not full, and the reasons of its rejected candidates."""
    short = [stratum for stratum in strata if stratum.missing]
    if short:
        told = ShortfallError("\n".join(_explain(plan, stratum) for stratum in short))
        raise told.naming(stratum.name for stratum in short)


def _lowered(plan: Plan, reasons: Sequence[str]) -> list[str]:
    """Return which parameters of the validators that gave these reasons would keep more rows."""
    gave = [one for one in make_validators(plan) if any(is_reason_of(one.name, reason) for reason in reasons)]
    return [f"lower {one.name}.{one.lowered}" for one in gave if isinstance(one, Lenient)]


def _explain(plan: Plan, stratum: StratumProgress) -> str:
    accepted = f"{stratum.accepted:,} of {stratum.target:,} rows accepted"
    reasons = sorted(stratum.rejected.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]
    share = max(1, stratum.candidates)
    why = ", ".join(f"{reason} rejected {rows / share:.0%}" for reason, rows in reasons) or "none was made"
    advice = ["raise budget.attempts_per_row", "choose another generator"]
    advice[1:1] = _lowered(plan, [reason for reason, _ in reasons])
    return (
        f"class {stratum.name!r}: {accepted} after {plan.attempts_per_row:g} attempts a row ({why}); "
        f"{', '.join(advice[:-1])} or {advice[-1]}; finished work is kept"
    )
