"""Estimates how long a build will take, from earlier builds on this machine, and puts that in words."""

import os
from collections.abc import Sequence
from contextlib import suppress

from pipelines.dataset.publish import read_manifest
from pipelines.dataset.versions import find_dataset
from pipelines.fit.fitting import RECORD, model_fingerprint
from pipelines.plan.estimate import Setting, estimate
from pipelines.plan.rates import rates_file, recall
from pipelines.report.wording import seconds
from pipelines.storage.folder import is_uri
from pipelines.storage.workspace import make_workspace
from schemas.errors import MakeweightError
from schemas.manifest import Manifest
from schemas.plan import Plan
from schemas.rates import Estimate
from schemas.spec import GeneratorChoice, Spec

WIDE = 1.25
"""Estimates whose ends differ by less than this factor are shown as one figure."""


def estimate_build(spec: Spec, plan: Plan, price: float | None = None) -> Estimate | None:
    """Return the estimated time of this build on this machine, or None if no earlier build is known.

    `price` is the cost of a GPU hour; with it the cost is estimated too.
    """
    history = recall()
    if not history:
        return None
    before, fitted = _find_earlier_build(spec, plan)
    kept = _acceptance_rates(before) if before and before.generator == plan.generator.name else {}
    checks = [*(["privacy"] if plan.privacy else []), *(["held-out rows", "evaluate"] if spec.evaluate else [])]
    setting = Setting(_count_actors(spec.generator), spec.generator.gpus, price, kept, fitted, checks)
    return estimate(plan, history, setting)


def _find_earlier_build(spec: Spec, plan: Plan) -> tuple[Manifest | None, bool]:
    """Return the manifest in the output, or None, and whether the model is fitted. Only local outputs are read.

    An object store that is unreachable answers after a minute, and `plan` must answer at once.
    """
    if is_uri(spec.output.path):
        return None, False
    with suppress(MakeweightError, OSError):
        models = make_workspace(spec.output.path, plan).models
        fitted = models.at(model_fingerprint(plan)).exists(RECORD)
        return read_manifest(find_dataset(spec.output.path)), fitted
    return None, False


def _acceptance_rates(manifest: Manifest) -> dict[str, float]:
    """Return the share of each class's candidates that were kept."""
    rejected = {name: sum(reasons.values()) for name, reasons in manifest.rejections.items()}
    return {name: 1 - rejected.get(name, 0) / tried for name, tried in manifest.attempts.items() if tried}


def _count_actors(choice: GeneratorChoice) -> int | None:
    """Return the number of actors of the spec, or how many fit on this machine; None where a cluster decides."""
    if choice.actors or os.environ.get("RAY_ADDRESS") or choice.gpus:
        return choice.actors
    return max(1, int((os.cpu_count() or 1) / choice.cpus))


def estimate_lines(plan: Plan, made: Estimate | None) -> list[str]:
    """Return lines on the estimate and its basis; no lines if the dataset is complete."""
    if plan.complete:
        return []
    if made is None:
        unkept = rates_file() is None
        why = "MAKEWEIGHT_RATES is off" if unkept else f"no build with {plan.generator.name} here to go by yet"
        return [f"time     not known: {why}"]
    total = f"{seconds(made.seconds)}{_describe_range(made)}{_describe_steps(made)}"
    lines = [f"time     about {total}; {_describe_basis(plan, made)}"]
    if made.cost is not None:
        hours = f"about {format_cost(made.cost)}: {made.gpu_hours:.3g} GPU hours ({made.device})"
        lines.append(f"cost     {hours if made.gpu_hours else 'none: no GPU is used'}")
    return lines


def _describe_range(made: Estimate) -> str:
    """Return the range of the estimate, if the earlier builds disagree: the machine may have had other work."""
    return f", {seconds(made.least)} to {seconds(made.most)}" if made.most > WIDE * made.least else ""


def _describe_steps(made: Estimate) -> str:
    """Return the steps that take most of the time."""
    shown = {name: took for name, took in made.steps.items() if took >= 0.05 * made.seconds and took >= 0.5}
    told = [f"{name} {seconds(took)}" for name, took in sorted(shown.items(), key=lambda item: -item[1])]
    return f": {', '.join(told)}" if told else ""


def _describe_basis(plan: Plan, made: Estimate) -> str:
    """Return the basis of the estimate, and how it differs from this build."""
    builds = "1 build" if made.builds == 1 else f"{made.builds} builds"
    but = [] if made.same_params else ["of other parameters"]
    but += [] if made.same_size else ["of quite other size"]
    basis = f"from {builds} with {plan.generator.name} here{', ' + ' and '.join(but) if but else ''}"
    told = f", {made.actors} actor(s) on {made.device}" if made.strata else ""
    note = "; the model is fitted already" if made.fitted and made.strata else ""
    top_up = "; less where it keeps rows of the version before" if plan.base and not plan.base.anew else ""
    return basis + told + note + top_up


def estimate_headings(made: Estimate | None) -> list[str]:
    """Return the headings of the estimates of each class, if there are any."""
    if made is None or not made.strata:
        return []
    return ["time", "cost"] if made.cost else ["time"]


def estimate_cells(made: Estimate | None, names: Sequence[str]) -> list[str]:
    """Return the estimates of these classes together, one cell for each heading."""
    if made is None or not made.strata:
        return []
    known = [made.strata[name] for name in names if name in made.strata]
    told = [seconds(sum(one.seconds for one in known)) if known else ""]
    if made.cost:
        told.append(format_cost(sum(one.cost or 0 for one in known)) if known else "")
    return told


def format_cost(cost: float) -> str:
    """Return a cost with two decimals, or more if it is small.

    >>> format_cost(12.5), format_cost(0.0042)
    ('12.50', '0.0042')
    """
    return f"{cost:,.2f}" if cost >= 0.1 or not cost else f"{cost:.2g}"
