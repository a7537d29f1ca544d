"""Describes what a version kept of the one before, for the terminal, the card and the report."""

from pipelines.storage.workspace import version_name
from schemas.manifest import Manifest
from schemas.plan import Plan
from schemas.versions import Base


def planned_succession(plan: Plan) -> list[str]:
    """Return sentences on what the version will keep, as far as the plan knows; empty without versions."""
    if plan.version is None:
        return []
    here = version_name(plan.version)
    if plan.complete:
        return [f"versions: {here} is just this, and complete; nothing is new, and nothing is to be done."]
    if plan.base is None:
        return [f"versions: this is {here}; it starts from nothing."]
    if plan.base.anew:
        return [f"versions: {here} keeps nothing of {plan.base.version}: {plan.base.anew}."]
    return [
        f"versions: {here} tops {plan.base.version} up: what was made stays, as far as it passes the validators, and"
        " only what is missing is made. If the source lost rows since, all is made anew."
    ]


def succession(manifest: Manifest) -> list[str]:
    """Return sentences on what the version kept; empty for a dataset without versions."""
    base = manifest.base
    if manifest.version is None or base is None:
        return []
    here = version_name(manifest.version)
    if base.anew:
        return [f"{here} keeps nothing of {base.version}: {base.anew}."]
    kept = f"{here} tops {base.version} up: it keeps {sum(base.carried.values()):,} rows that were made before"
    made = sum(counts.synthetic for counts in manifest.counts.values()) - sum(base.carried.values())
    return [f"{kept}{_dropped(base)}, and {made:,} were made now, {_model(base)}."]


def _dropped(base: Base) -> str:
    reasons: dict[str, int] = {}
    for some in base.dropped.values():
        for reason, rows in some.items():
            reasons[reason] = reasons.get(reason, 0) + rows
    most = sorted(reasons.items(), key=lambda one: (-one[1], one[0]))
    told = ", ".join(f"{reason} {rows:,}" for reason, rows in most)
    return f" ({sum(reasons.values()):,} do not pass the validators any more: {told})" if reasons else ""


def _model(base: Base) -> str:
    return f"by a model that was fitted anew ({base.refitted})" if base.refitted else "by the model that was there"
