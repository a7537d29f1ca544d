"""How long a build is likely to take, as the terminal shows it: gathers what is known here, and puts it in words."""

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
"""Builds that disagree by less than this are told as one figure."""


def estimated(spec: Spec, plan: Plan, price: float | None = None) -> Estimate | None:
    """Return how long this build is likely to take here, or nothing if there is nothing to go by."""
    history = recall()
    if not history:
        return None
    before, fitted = _there(spec, plan)
    kept = _kept(before) if before and before.generator == plan.generator.name else {}
    checks = [*(["privacy"] if plan.privacy else []), *(["held-out rows", "evaluate"] if spec.evaluate else [])]
    setting = Setting(_actors(spec.generator), spec.generator.gpus, price, kept, fitted, checks)
    return estimate(plan, history, setting)


def _there(spec: Spec, plan: Plan) -> tuple[Manifest | None, bool]:
    """Return the manifest of an earlier build of this output, and whether the model is there; of a local one alone.

    An object store may take a minute to say that it is away, and `plan` answers at once.
    """
    if is_uri(spec.output.path):
        return None, False
    with suppress(MakeweightError, OSError):
        models = make_workspace(spec.output.path, plan).models
        fitted = models.at(model_fingerprint(plan)).exists(RECORD)
        return read_manifest(find_dataset(spec.output.path)), fitted
    return None, False


def _kept(manifest: Manifest) -> dict[str, float]:
    """Return the share of each class's candidates that were kept."""
    rejected = {name: sum(reasons.values()) for name, reasons in manifest.rejections.items()}
    return {name: 1 - rejected.get(name, 0) / tried for name, tried in manifest.attempts.items() if tried}


def _actors(choice: GeneratorChoice) -> int | None:
    """Return the actors that the spec asks for, or that fit on this machine; nothing where a cluster decides."""
    if choice.actors or os.environ.get("RAY_ADDRESS") or choice.gpus:
        return choice.actors
    return max(1, int((os.cpu_count() or 1) / choice.cpus))


def estimate_lines(plan: Plan, made: Estimate | None) -> list[str]:
    """Return what is estimated, and what that goes by, in sentences; nothing where nothing is to be done."""
    if plan.complete:
        return []
    if made is None:
        unkept = rates_file() is None
        why = "MAKEWEIGHT_RATES is off" if unkept else f"no build with {plan.generator.name} here to go by yet"
        return [f"time     not known: {why}"]
    lines = [f"time     about {seconds(made.seconds)}{_range(made)}{_parts(made)}; {_basis(plan, made)}"]
    if made.cost is not None:
        hours = f"about {money(made.cost)}: {made.gpu_hours:.3g} GPU hours ({made.device})"
        lines.append(f"cost     {hours if made.gpu_hours else 'none: no GPU is used'}")
    return lines


def _range(made: Estimate) -> str:
    """Say how far the builds that it goes by disagree, if they do: this machine may have had other work, too."""
    return f", {seconds(made.least)} to {seconds(made.most)}" if made.most > WIDE * made.least else ""


def _parts(made: Estimate) -> str:
    """Name the steps that take most of the time."""
    shown = {name: took for name, took in made.steps.items() if took >= 0.05 * made.seconds and took >= 0.5}
    told = [f"{name} {seconds(took)}" for name, took in sorted(shown.items(), key=lambda item: -item[1])]
    return f": {', '.join(told)}" if told else ""


def _basis(plan: Plan, made: Estimate) -> str:
    """Say what the estimate goes by, and how far that is from this build."""
    builds = "1 build" if made.builds == 1 else f"{made.builds} builds"
    but = [] if made.same_params else ["of other parameters"]
    but += [] if made.same_size else ["of quite other size"]
    basis = f"from {builds} with {plan.generator.name} here{', ' + ' and '.join(but) if but else ''}"
    told = f", {made.actors} actor(s) on {made.device}" if made.strata else ""
    note = "; the model is fitted already" if made.fitted and made.strata else ""
    top_up = "; less where it keeps rows of the version before" if plan.base and not plan.base.anew else ""
    return basis + told + note + top_up


def likely_headings(made: Estimate | None) -> list[str]:
    """Return the headings of what is estimated of each class, if anything is."""
    if made is None or not made.strata:
        return []
    return ["time", "cost"] if made.cost else ["time"]


def likely(made: Estimate | None, names: Sequence[str]) -> list[str]:
    """Return what is estimated of these classes together, under those headings."""
    if made is None or not made.strata:
        return []
    known = [made.strata[name] for name in names if name in made.strata]
    told = [seconds(sum(one.seconds for one in known)) if known else ""]
    if made.cost:
        told.append(money(sum(one.cost or 0 for one in known)) if known else "")
    return told


def money(cost: float) -> str:
    """Return a cost with two digits after the point, or as many as it takes to see it; in the price's currency."""
    return f"{cost:,.2f}" if cost >= 0.1 or not cost else f"{cost:.2g}"
