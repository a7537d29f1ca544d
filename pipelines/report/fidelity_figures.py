"""The sections of figures of fidelity and diversity, one for each kind, made rows beside real ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from pipelines.judge.fidelity.wording import MEANING, format_figure, is_share
from pipelines.report.data import ReportData, Section
from pipelines.report.detector import section_of
from pipelines.report.plots import LINE, REAL, SYNTHETIC, Frame, draw, margin
from pipelines.report.wording import label
from schemas.evaluation import Evaluation
from schemas.fidelity import Fidelity, Figure, FigureGroup

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLES = {
    "tables": "Quality of the rows",
    "columns": "Columns, by SDMetrics",
    "images": "Images, as a network sees them",
    "texts": "Diversity of the texts",
    "pairs": "Beside their parents",
}
"""The sections' titles by kind of figures, in the order of the page."""
PLOTTED = 40


@dataclass(frozen=True)
class FigureLine:
    """One line of the table of figures."""

    name: str
    meaning: str
    made: str
    real: str


@dataclass(frozen=True)
class ByClass:
    """The figures of each class: their `names`, and for each class (real, made) of each figure."""

    names: list[str]
    classes: list[tuple[str, list[tuple[str, str]]]]


@dataclass(frozen=True)
class FiguresView:
    """All that a section shows; `columns` says that lines are columns of the data; `left_out` lines are not plotted."""

    made: str
    unit: str
    group: FigureGroup
    lines: list[FigureLine]
    plot: Markup | None
    by_class: ByClass | None
    columns: bool
    left_out: int
    notes: list[str]


def fidelity_sections(evaluation: Evaluation) -> list[Section]:
    """Return all sections of an evaluation's fidelity; none where it was not measured."""
    fidelity = evaluation.fidelity
    if fidelity is None:
        return []
    detector = section_of(fidelity)
    found = [figures_section(fidelity, group) for kind in TITLES if (group := fidelity.group(kind))]
    notes = [] if found or not fidelity.notes else [_notes(fidelity)]
    return [*([detector] if detector else []), *found, *notes]


def _kind_section(data: ReportData, kind: str) -> Section | None:
    """Return the section of one kind of `TITLES`; None without figures of it."""
    fidelity = data.evaluation.fidelity if data.evaluation else None
    group = fidelity.group(kind) if fidelity else None
    return figures_section(fidelity, group) if fidelity and group else None


KIND_SECTIONS = tuple(partial(_kind_section, kind=kind) for kind in TITLES)
"""What makes the sections of the report, one for each kind of figures."""


def _notes(fidelity: Fidelity) -> Section:
    return Section("fidelity-notes", "What was not measured", "report_notes.html", fidelity.notes)


def figures_section(fidelity: Fidelity, group: FigureGroup) -> Section:
    """Return the section of one kind of figures."""
    figures = group.overall()
    columns = group.kind == "columns"
    if columns:
        figures = sorted(figures, key=lambda one: (one.made or 0) - (one.real or 0))
    shown = [one for one in figures if columns or is_share(one.name)]
    view = FiguresView(
        made=fidelity.origin,
        unit="images" if group.kind == "images" else "texts" if group.kind == "texts" else "rows",
        group=group,
        lines=[_line(figure) for figure in figures],
        plot=_dumbbells(shown[:PLOTTED]) if len(shown) > 1 else None,
        by_class=_by_class(group),
        columns=columns,
        left_out=max(0, len(shown) - PLOTTED),
        notes=fidelity.notes if group.kind != "columns" else [],
    )
    return Section(f"fidelity-{group.kind}", TITLES[group.kind], "report_fidelity.html", view)


def _line(figure: Figure) -> FigureLine:
    return FigureLine(figure.name, MEANING.get(figure.name, ""), format_figure(figure.made), format_figure(figure.real))


def _by_class(group: FigureGroup) -> ByClass | None:
    """Return the figures of each class, where there is more than one."""
    found: dict[str, dict[str, Figure]] = {}
    for figure in group.figures:
        if figure.stratum is not None:
            found.setdefault(figure.stratum, {})[figure.name] = figure
    if len(found) < 2:
        return None
    names = list(next(iter(found.values())))
    return ByClass(
        names,
        [(name, [(format_figure(f[n].real), format_figure(f[n].made)) for n in names]) for name, f in found.items()],
    )


def _dumbbells(figures: Sequence[Figure]) -> Markup:
    """Draw the figure of made rows and that of real rows on one line each."""
    labels = [label(figure.name, 26) for figure in figures]
    positions = np.arange(len(figures))
    real, made_values = (np.array([np.nan if v is None else v for v in side], np.float64) for side in _both(figures))

    def paint(axes: "Axes") -> None:
        axes.hlines(positions, np.fmin(real, made_values), np.fmax(real, made_values), color=LINE, linewidth=2)
        axes.plot(real, positions, "o", markersize=6, color=REAL)
        axes.plot(made_values, positions, "o", markersize=6, color=SYNTHETIC)
        axes.set_yticks(positions, labels)
        axes.set_ylim(len(figures) - 0.4, -0.6)
        axes.grid(axis="x")

    described = f"{len(figures)} figures, real and made rows on one line each"
    return draw(Frame(560, 34 + 22 * max(2, len(figures)), left=margin(labels), right=16), described, paint)


def _both(figures: Sequence[Figure]) -> tuple[list[float | None], list[float | None]]:
    return [figure.real for figure in figures], [figure.made for figure in figures]
