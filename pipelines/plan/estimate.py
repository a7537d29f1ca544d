"""Estimates how long a build will take from how long similar builds took here. Pure: knows no file and no clock.

Each step is assumed to cost a fixed time and a time for each unit of its work (mostly rows times their width). Both are
fitted to the builds by least squares if the builds differ enough in size. If they do not, the growth of a step is
unknown: it may be constant, or proportional to the rows. The estimate then assumes the square root, and the range
covers both extremes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from pipelines.plan.rates import params_key, row_width
from schemas.plan import Plan, Stratum
from schemas.rates import Estimate, Rates, StratumEstimate

NEAREST = 6
"""The most builds that an estimate uses."""
WIDER = 4.0
"""Builds whose rows are wider or narrower by more than this factor are not used."""
MIDDLE, ENDS = 0.5, (0.0, 1.0)
"""The powers of its units that a step may grow with if it was seen at one size only."""
APART = 2.0
"""Sizes that differ by this factor show the fixed part of a step."""
STARTS = {"ingest": 1.0, "fit": 4.0, "fill": 3.0, "write": 0.5}
"""Seconds of a step without work: processes start, libraries load (measured on two cores)."""


@dataclass(frozen=True)
class Setting:
    """Where the build will run: its actors, the GPU share of each, and the price of a GPU.

    Actors and GPU shares that are None are those of earlier builds. `kept` is the share of each class's candidates that
    an earlier build of the same dataset kept. `fitted` says that the model exists already. `checks` holds the steps
    privacy and evaluate if they are asked for.
    """

    actors: int | None = None
    gpus: float | None = None
    price: float | None = None
    kept: Mapping[str, float] | None = None
    fitted: bool = False
    checks: Sequence[str] = ()


def estimate(plan: Plan, history: Sequence[Rates], setting: Setting) -> Estimate | None:
    """Return how long the plan's build is likely to take, or None if no similar build was seen."""
    near = _nearest(plan, history, setting)
    if not near:
        return None
    growths = (MIDDLE,) if _tell_growth([one.rows * one.width for one in near]) else ENDS
    alone = [_estimate(plan, [one], setting, growth).seconds for one in near for growth in growths]
    made = _estimate(plan, near, setting).model_copy(update={"least": min(alone), "most": max(alone)})
    return made if setting.price is None else _priced(made, made.gpu_hours * setting.price)


def _tell_growth(sizes: Sequence[float]) -> bool:
    return max(sizes) / max(1, min(sizes)) >= APART


def _estimate(plan: Plan, near: Sequence[Rates], setting: Setting, growth: float = MIDDLE) -> Estimate:
    """Return the estimate from all of these builds together."""
    actors = _actors(plan, near[0], setting)
    telling = [one for one in near if _tells_pace(one)] or near
    paces = [_pace(one) for one in telling]
    pace = median(candidate for _, candidate in paces) * row_width(plan) / actors
    strata = {one.name: _stratum(one, _kept(one, near, setting), pace) for one in plan.strata if one.make}
    steps = _steps(plan, near, setting, growth)
    if strata:
        steps["fill"] = median(start for start, _ in paces) + sum(one.seconds for one in strata.values())
    gpus = near[0].gpus if setting.gpus is None else setting.gpus
    total = sum(steps.values())
    return Estimate(
        seconds=total,
        least=total,
        most=total,
        steps=steps,
        strata=strata,
        builds=len(near),
        device=near[0].device,
        actors=actors,
        same_params=near[0].params == params_key(plan.generator),
        same_size=any(_apart(one.rows, _rows(plan)) <= WIDER for one in near),
        fitted=setting.fitted,
        gpu_hours=gpus * (steps.get("fit", 0.0) + actors * steps.get("fill", 0.0)) / 3600,
    )


def _nearest(plan: Plan, history: Sequence[Rates], setting: Setting) -> list[Rates]:
    """Return the builds most similar to this one, the most similar first; with its parameters if there are any."""
    width, rows, params = row_width(plan), _rows(plan), params_key(plan.generator)
    same = [one for one in history if (one.generator, one.modality) == (plan.generator.name, plan.modality)]
    same = [one for one in same if one.candidates or not plan.makes_rows]
    if setting.gpus is not None:
        same = [one for one in same if bool(one.gpus) == bool(setting.gpus)]
    same = [one for one in same if _apart(one.width, width) <= WIDER]
    same = [one for one in same if one.params == params] or same
    same = [one for one in same if one.device == same[-1].device]
    same.sort(key=lambda one: (math.log(_apart(one.width, width) * _apart(one.rows, rows)), -one.at))
    return same[:NEAREST]


def _apart(one: float, other: float) -> float:
    """Return the ratio of the larger to the smaller number, each at least 1."""
    return max(one, other, 1) / max(1, min(one, other))


def _rows(plan: Plan) -> int:
    return sum(stratum.target for stratum in plan.strata)


def _actors(plan: Plan, like: Rates, setting: Setting) -> int:
    chunks = sum(-(-stratum.make // stratum.chunk_rows) for stratum in plan.strata)
    return max(1, min(setting.actors or like.actors, chunks))


def _tells_pace(one: Rates) -> bool:
    """Whether at least half the candidates came after the first ones, whose time includes the actors' start."""
    return one.candidates >= 2 * one.first > 0


def _pace(one: Rates) -> tuple[float, float]:
    """Return the seconds until the actors worked, and one actor's seconds for a candidate divided by its width."""
    fill, first = one.steps.get("fill", 0.0), one.first
    if _tells_pace(one):
        each = max(0.0, fill - one.warm) / (one.candidates - first)
        start = max(0.0, one.warm - each * first)
    else:
        start = min(fill / 2, STARTS["fill"])
        each = (fill - start) / max(1, one.candidates)
    return start, each * one.actors / one.width


def _kept(stratum: Stratum, near: Sequence[Rates], setting: Setting) -> float:
    """Return the share of a class's candidates that is kept, from this dataset's builds or else from others."""
    if setting.kept and stratum.name in setting.kept:
        return setting.kept[stratum.name]
    of_class = [one.kept[stratum.name] for one in near if stratum.name in one.kept]
    of_any = [median(one.kept.values()) for one in near if one.kept]
    return median(of_class or of_any or [1.0])


def _stratum(stratum: Stratum, kept: float, pace: float) -> StratumEstimate:
    chunks = math.ceil(stratum.make / max(kept, 0.001) / stratum.chunk_rows)
    candidates = chunks * stratum.chunk_rows
    return StratumEstimate(candidates=candidates, seconds=candidates * pace)


def _steps(plan: Plan, near: Sequence[Rates], setting: Setting, growth: float) -> dict[str, float]:
    """Return the seconds of all steps except the fill."""
    learnt, width = min(plan.fit_rows, sum(s.real for s in plan.strata)), row_width(plan)
    steps = {"start": median(one.steps.get("start", 0.0) for one in near)}
    steps["ingest"] = _predict("ingest", near, lambda one: one.source_bytes, plan.profile.bytes, growth)
    fits = [one for one in near if one.fit_rows]
    if plan.makes_rows and not setting.fitted and fits:
        steps["fit"] = _predict("fit", fits, lambda one: (one.fit_rows or 0) * one.width, learnt * width, growth)
    for check in setting.checks:
        steps[check] = median([one.steps[check] for one in near if check in one.steps] or [0.0])
    steps["write"] = _predict("write", near, lambda one: one.rows * one.width, _rows(plan) * width, growth)
    steps["report"] = median(one.steps.get("report", 0.0) for one in near)
    return steps


def _predict(step: str, near: Sequence[Rates], units: Callable[[Rates], float], wanted: float, growth: float) -> float:
    """Return the seconds of a step with `wanted` units of work."""
    points = [(max(1.0, units(one)), one.steps.get(step, 0.0)) for one in near]
    if _tell_growth([size for size, _ in points]):
        fixed, slope = _least_squares(points)
        if fixed >= 0 and slope >= 0:
            return fixed + slope * wanted
        growth = 0.0 if slope < 0 else 1.0
    fixed = min(STARTS[step], *(took for _, took in points))
    return fixed + median((took - fixed) * math.pow(wanted / size, growth) for size, took in points)


def _least_squares(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Fit a line to relative errors, so that small builds weigh as much as large ones."""
    weights = [1 / max(took, 0.1) ** 2 for _, took in points]
    total = sum(weights)
    x = sum(w * size for w, (size, _) in zip(weights, points, strict=True)) / total
    y = sum(w * took for w, (_, took) in zip(weights, points, strict=True)) / total
    spread = sum(w * (size - x) ** 2 for w, (size, _) in zip(weights, points, strict=True))
    slope = sum(w * (size - x) * (took - y) for w, (size, took) in zip(weights, points, strict=True)) / spread
    return y - slope * x, slope


def _priced(made: Estimate, cost: float) -> Estimate:
    """Return the estimate with its cost; the cost of the fill is split among the classes by their seconds."""
    gpu_seconds = made.steps.get("fit", 0.0) + made.actors * made.steps.get("fill", 0.0)
    second = cost / gpu_seconds if gpu_seconds else 0.0
    strata = {
        name: one.model_copy(update={"cost": one.seconds * made.actors * second}) for name, one in made.strata.items()
    }
    return made.model_copy(update={"cost": cost, "strata": strata})
