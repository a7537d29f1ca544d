"""The section on whether the dataset helps: the verdict, and each remedy's figures as intervals and a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from pipelines.judge.evaluate.wording import TITLES, WORDS
from pipelines.report.data import ReportData, Section
from pipelines.report.plots import INK, LINE, MUTED, SYNTHETIC, Frame, draw, margin
from schemas.evaluation import BUILD, MADE_ALONE, Evaluation, Figures, Interval, Utility

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CLASSES = 12
"""Classes whose recall has a column of its own."""


@dataclass(frozen=True)
class Line:
    """One line of a table: a remedy, its figures, and this build's gain against it."""

    title: str
    build: bool
    figures: Figures
    gain: Interval | None


@dataclass(frozen=True)
class UtilityView:
    """What the section shows; `plots` are (measure, plot), `tables` (classifier or None for all, its lines)."""

    utility: Utility
    gains: Markup | None
    plots: list[tuple[str, Markup]]
    tables: list[tuple[str | None, list[Line]]]
    recalls: list[str]
    left_out: int
    measure: str


def utility_section(data: ReportData) -> Section | None:
    """Return the comparison with cheaper remedies; None where the spec asks for none."""
    return utility_sections(data.evaluation)[0] if data.evaluation else None


def utility_sections(evaluation: Evaluation) -> list[Section]:
    """Return the sections of an evaluation."""
    return [Section("utility", "Does it help?", "report_utility.html", _view(evaluation.utility))]


def _view(utility: Utility) -> UtilityView:
    classifiers: list[str | None] = [None, *(utility.classifiers if len(utility.classifiers) > 1 else [])]
    rare_first = sorted(utility.rows["raw"], key=lambda name: (name not in utility.minority, name))
    return UtilityView(
        utility=utility,
        gains=_plot_gains(utility),
        plots=[(title, _plot_figures(utility, measure, title)) for measure, title in WORDS.items()],
        tables=[(classifier, _lines(utility, classifier)) for classifier in classifiers],
        recalls=rare_first[:CLASSES],
        left_out=max(0, len(rare_first) - CLASSES),
        measure=WORDS[utility.measure],
    )


def _lines(utility: Utility, classifier: str | None) -> list[Line]:
    gains = {one.remedy: one.gain for one in utility.differences} if classifier is None else {}
    return [
        Line(_title(one.remedy), one.remedy == BUILD, one, gains.get(one.remedy))
        for one in utility.figures
        if one.classifier == classifier
    ]


def _title(remedy: str) -> str:
    return TITLES[remedy][0].upper() + TITLES[remedy][1:]


def _plot_figures(utility: Utility, measure: str, title: str) -> Markup:
    """Draw a dot with its interval for each remedy, this build in its own colour."""
    figures = [one for one in utility.figures if one.classifier is None]
    values: list[Interval] = [getattr(one, measure) for one in figures]
    names = [one.remedy for one in figures]
    described = f"{title[0].upper()}{title[1:]} by remedy, with 95% intervals"
    return _plot_dots(names, values, described, None)


def _plot_gains(utility: Utility) -> Markup | None:
    """Draw the gain of this build over each remedy, and the line of no gain; None without intervals."""
    if any(one.gain.low is None for one in utility.differences):
        return None
    names = [one.remedy for one in utility.differences]
    described = f"By how much this build's {WORDS[utility.measure]} is above each remedy's, with 95% intervals"
    return _plot_dots(names, [one.gain for one in utility.differences], described, 0.0, width=520)


def _plot_dots(
    names: Sequence[str], values: Sequence[Interval], description: str, line: float | None, width: int = 340
) -> Markup:
    labels = [_title(name) for name in names]
    positions = np.arange(len(names))
    colours = [SYNTHETIC if name in (BUILD, MADE_ALONE) or line is not None else INK for name in names]

    def paint(axes: "Axes") -> None:
        from matplotlib.ticker import MaxNLocator

        if line is not None:
            axes.axvline(line, color=MUTED, linewidth=1)
        for position, one, name, colour in zip(positions, values, names, colours, strict=True):
            if one.low is not None and one.high is not None:
                axes.hlines(position, one.low, one.high, color=colour, linewidth=2)
            hollow = name == MADE_ALONE
            axes.plot(one.mean, position, "o", markersize=6, color=colour, markerfacecolor="none" if hollow else colour)
        axes.hlines(positions, *axes.get_xlim(), color=LINE, linewidth=0.5, zorder=0)
        axes.set_yticks(positions, labels)
        axes.set_ylim(positions[-1] + 0.6, -0.6)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.grid(axis="x")

    return draw(Frame(width, 34 + 22 * len(names), left=margin(labels), right=16), description, paint)
