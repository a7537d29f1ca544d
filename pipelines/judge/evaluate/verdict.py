"""Turns scores into figures with intervals, paired differences, and the verdict's sentence. Knows no classifier."""

from collections.abc import Mapping

import numpy as np

from pipelines.judge.evaluate.measures import MEASURES, Floats, Scores
from pipelines.judge.evaluate.rows import BuiltRecord, RealRecord
from pipelines.judge.evaluate.trial import minority_of
from pipelines.judge.evaluate.wording import TITLES, WORDS
from schemas.evaluation import BUILD, MADE_ALONE, Difference, Evaluate, Figures, Interval, Utility, Verdict

FEWEST = 20
"""The fewest held-out rows of each class for which intervals are given."""
_ENDS = (2.5, 97.5)


def judge(
    real: RealRecord, built: BuiltRecord, scores: Mapping[str, Scores], classifiers: list[str], settings: Evaluate
) -> Utility:
    """Return all figures and the verdict; `scores` are by remedy and include this build."""
    enough = min(real.test) >= FEWEST
    means = {name: Scores(one.points.mean(axis=0), one.draws.mean(axis=1)) for name, one in scores.items()}
    column = MEASURES.index(settings.measure)
    build = means[BUILD]
    differences = [
        Difference(remedy=name, gain=_make_interval(build.points - one.points, build.draws - one.draws, column, enough))
        for name, one in means.items()
        if name not in (BUILD, MADE_ALONE)
    ]
    figures = [_make_figures(name, None, one, real.classes, enough) for name, one in means.items()]
    for number, classifier in enumerate(classifiers):
        for name, one in scores.items():
            part = Scores(one.points[number], one.draws[:, number])
            figures.append(_make_figures(name, classifier, part, real.classes, enough))
    values = {one.remedy: getattr(one, settings.measure) for one in figures if one.classifier is None}
    rows = {"raw": real.raw, "build": built.rows, "made": built.made, "test": real.test}
    return Utility(
        measure=settings.measure,
        seeds=settings.seeds,
        classifiers=classifiers,
        minority=[real.classes[number] for number in minority_of(real, built)],
        rows={name: dict(zip(real.classes, counts, strict=True)) for name, counts in rows.items()},
        figures=figures,
        differences=differences,
        verdict=give_verdict(WORDS[settings.measure], values, differences, _find_small_classes(real)),
        notes=real.notes,
    )


def give_verdict(
    measure: str, values: Mapping[str, Interval], differences: list[Difference], few: Mapping[str, int]
) -> Verdict:
    """Return whether the build helps: whether it is above every cheaper remedy by more than chance.

    `values` holds the measure by remedy, `few` the classes with too few held-out rows.
    """
    if few:
        named = ", ".join(f"{name!r} ({rows})" for name, rows in list(few.items())[:3])
        sentence = f"Cannot tell: too few held-out rows of {named}; an interval needs {FEWEST} of each class."
        return Verdict(helps=None, sentence=sentence)
    best = max(differences, key=lambda one: values[one.remedy].mean)
    unbeaten = [one for one in differences if not _is_above(one)]
    mine = f"{measure} {_format_interval(values[BUILD])} with this build"
    if not unbeaten:
        sentence = f"Yes: {mine}, {_format_gain(best)} against {TITLES[best.remedy]}, the best cheaper remedy."
        return Verdict(helps=True, sentence=sentence)
    other = max(unbeaten, key=lambda one: values[one.remedy].mean)
    compared = f"{mine}, {_describe_difference(other, values)}"
    harmful = next((one for one in differences if one.remedy == "raw" and _is_below(one)), None)
    if harmful is None:
        does = "do" if other.remedy in ("raw", "class_weights") else "does"
        how = "better" if _is_below(other) else "as well"
        return Verdict(helps=False, sentence=f"No: {TITLES[other.remedy]} {does} {how}: {compared}.")
    raw = "" if other is harmful else f"; {_describe_difference(harmful, values)}"
    return Verdict(helps=False, sentence=f"No, it does harm: {compared}{raw}.")


def _describe_difference(one: Difference, values: Mapping[str, Interval]) -> str:
    return f"{_format_interval(values[one.remedy])} with {TITLES[one.remedy]}, a difference of {_format_gain(one)}"


def _find_small_classes(real: RealRecord) -> dict[str, int]:
    return {name: rows for name, rows in zip(real.classes, real.test, strict=True) if rows < FEWEST}


def _is_above(one: Difference) -> bool:
    return one.gain.low is not None and one.gain.low > 0


def _is_below(one: Difference) -> bool:
    return one.gain.high is not None and one.gain.high < 0


def _format_interval(one: Interval) -> str:
    return f"{one.mean:.3f}" if one.low is None else f"{one.mean:.3f} ({one.low:.3f} to {one.high:.3f})"


def _format_gain(one: Difference) -> str:
    gain = one.gain
    return f"{gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"


def _make_figures(remedy: str, classifier: str | None, one: Scores, classes: list[str], enough: bool) -> Figures:
    """Return the figures for points (measures,) and draws (draws, measures)."""
    intervals = {name: _make_interval(one.points, one.draws, column, enough) for column, name in enumerate(MEASURES)}
    intervals["calibration_error"] = Interval(
        mean=intervals["calibration_error"].mean
    )  # draws of rows can only raise it
    first = len(MEASURES)
    recall = {
        name: _make_interval(one.points, one.draws, first + number, enough) for number, name in enumerate(classes)
    }
    return Figures(remedy=remedy, classifier=classifier, recall=recall, **intervals)


def _make_interval(points: Floats, draws: Floats, column: int, enough: bool) -> Interval:
    mean = float(points[column])
    if not enough:
        return Interval(mean=mean)
    low, high = np.percentile(draws[:, column], _ENDS)
    return Interval(mean=mean, low=float(low), high=float(high))
