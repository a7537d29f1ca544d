"""Combines the measurements of all classes, stores them, and stops a build that reveals too much."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from generators.base import lasting
from pipelines.fit.held_out import LEAST, holds_out
from pipelines.judge.privacy.anonymity import Anonymity
from pipelines.judge.privacy.attack import true_positives
from pipelines.judge.privacy.intervals import Estimate, auc, excess, proportion, ratio_excess
from pipelines.judge.privacy.measure import ClassFindings
from pipelines.judge.privacy.sides import privacy_folder
from pipelines.judge.privacy.wording import MEANING, TITLES, format_interval, format_limit, format_value
from pipelines.plan.model_view import modelled
from pipelines.plan.registry import generator_class
from pipelines.storage.workspace import Workspace
from schemas.errors import PrivacyError, join_first
from schemas.plan import Plan
from schemas.privacy import ClassPrivacy, Closeness, Figure, FigureName, Privacy, PrivacyFindings

QUANTILES = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9]
_FILE, _DIGITS, _MOST_NAMES = "findings.json", 6, 3
_FEW_VALUES = 20
"""Columns with so few values single nobody out."""


def load_findings(plan: Plan, workspace: Workspace) -> PrivacyFindings | None:
    """Return the stored findings if they answer what the plan asks, else None."""
    if not privacy_folder(workspace).exists(_FILE):
        return None
    found = PrivacyFindings.model_validate_json(privacy_folder(workspace).read_sealed(_FILE))
    return found if found.asked == plan.privacy else None


def save_findings(found: PrivacyFindings, workspace: Workspace) -> None:
    """Store the findings."""
    privacy_folder(workspace).write_sealed(_FILE, found.model_dump_json().encode())


def combine_findings(plan: Plan, classes: list[ClassFindings], anonymity: Anonymity | None) -> PrivacyFindings:
    """Return the figures over all classes, each with its limit."""
    settings = plan.privacy or Privacy()
    estimates = _estimates(classes) if classes else {}
    counts: dict[FigureName, int | None] = {}
    if anonymity:
        counts = {"k_anonymity": anonymity.k, "l_diversity": anonymity.l}
    estimates |= {name: Estimate(number, number, number) for name, number in counts.items() if number is not None}
    figures = [
        _make_figure(name, estimates[name], getattr(settings.limits, name)) for name in TITLES if name in estimates
    ]
    return PrivacyFindings(
        asked=settings,
        figures=figures,
        classes={findings.name: _make_class(findings) for findings in classes},
        closeness=_make_closeness(classes) if classes else None,
        groups=anonymity.groups if anonymity else None,
        notes=_make_notes(plan, estimates),
    )


def _estimates(classes: list[ClassFindings]) -> dict[FigureName, Estimate]:
    learnt, held_out = ([getattr(one, side) for one in classes] for side in ("learnt", "held_out"))

    def all_of(sides: list[object], part: str) -> NDArray[np.float64]:
        return np.concatenate([getattr(side, part) for side in sides])

    known, other = all_of(learnt, "scores"), all_of(held_out, "scores")
    again, control = (int(all_of(sides, "again").sum()) for sides in (learnt, held_out))
    rare, common = ((all_of(sides, "rare"), all_of(sides, "reappeared")) for sides in (learnt, held_out))
    estimates: dict[FigureName, Estimate] = {
        "attack_auc": auc(known, other),
        "closer": proportion(all_of(learnt, "closest_of"), all_of(held_out, "closest_of")),
        "copies": excess((again, len(known)), (control, len(other))),
    }
    hits = true_positives(known, other)
    if hits:
        estimates["attack_tpr"] = hits
    if rare[0].sum() and common[0].sum():
        estimates["singling_out"] = ratio_excess(rare, common)
    return estimates


def _make_figure(name: FigureName, estimate: Estimate, format_limit: float | None) -> Figure:
    value, low, high = (round(float(part), _DIGITS) for part in (estimate.value, estimate.low, estimate.high))
    return Figure(name=name, value=value, low=low, high=high, limit=format_limit)


def _make_class(one: ClassFindings) -> ClassPrivacy:
    values = {name: round(float(estimate.value), _DIGITS) for name, estimate in _estimates([one]).items()}
    learnt, held_out = len(one.learnt.scores), len(one.held_out.scores)
    return ClassPrivacy(learnt=learnt, held_out=held_out, made=one.made, **values)


def _make_closeness(classes: list[ClassFindings]) -> Closeness:
    learnt, held_out = (
        np.quantile(np.concatenate([getattr(one, part) for one in classes]), QUANTILES).round(_DIGITS).tolist()
        for part in ("to_learnt", "to_held_out")
    )
    return Closeness(quantiles=QUANTILES, learnt=learnt, held_out=held_out)


def _make_notes(plan: Plan, estimates: Mapping[FigureName, Estimate]) -> list[str]:
    if not plan.makes_rows:
        return ["No rows were made, so there is nothing that they could give away."]
    small = [stratum.name for stratum in plan.strata if stratum.make and not holds_out(plan, stratum)]
    notes = []
    if "attack_auc" in estimates and "attack_tpr" not in estimates:
        notes.append("Fewer than 99 rows were held out: too few to tell what the attack hits at 1% false alarms.")
    if not small:
        return notes
    listed = join_first(map(repr, small), _MOST_NAMES)
    return [*notes, f"Not measured, since fewer than {LEAST} of their real rows could be held out: {listed}."]


def refuse_breach(plan: Plan, found: PrivacyFindings) -> None:
    """Raise PrivacyError with a line for each figure beyond its limit, and advice."""
    if found.broken:
        lines = [*map(_explain, found.broken), _give_advice(plan, found)]
        raise PrivacyError("\n".join(lines))


def _name_rare_columns(plan: Plan) -> str:
    """Return the columns that single a row out the most, by their number of values, in words."""
    columns = [column for column in modelled(plan.profile) if not column.private]
    values = {column.name: column.distinct or plan.profile.rows for column in columns}
    least = max(_FEW_VALUES + 1, max(values.values(), default=0) / 10)
    names = sorted((name for name, count in values.items() if count >= least), key=lambda name: -values[name])
    return ", ".join(map(repr, names[:_MOST_NAMES]))


def _explain(figure: Figure) -> str:
    ends = f" ({format_interval(figure)})" if format_interval(figure) else ""
    value, limit = format_value(figure), format_limit(figure)
    return f"privacy: {figure.name} is {value}{ends}, its limit {limit}: {MEANING[figure.name]}"


def _give_advice(plan: Plan, found: PrivacyFindings) -> str:
    generator, name = generator_class(plan.generator.name), plan.generator.name
    able = generator.capabilities
    shares = [f"privacy.limits.{figure.name}" for figure in found.broken if not figure.counted]
    numbers = [f"privacy.limits.{figure.name}" for figure in found.broken if figure.counted]
    advice = []
    if shares and able.origin == "augmented":
        advice.append(f"rows of {name!r} are real rows, repeated or changed, so choose a generator that learns")
    elif shares:
        if "privacy.limits.singling_out" in shares and able.smooths_private and (telling := _name_rare_columns(plan)):
            advice.append(f"list in source.private the columns whose values few rows share ({telling})")
        shorter = lasting(generator.Params)
        advice.append("choose another generator" + (f", lower generator.params.{min(shorter)}" if shorter else ""))
    if numbers:
        advice.append("declare fewer or coarser quasi-identifiers")
    advice += [f"{verb} {', '.join(keys)}" for verb, keys in (("raise", shares), ("lower", numbers)) if keys]
    return f"nothing is published: {', or '.join(advice)}; finished work is kept"
