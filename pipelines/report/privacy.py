"""The section of privacy figures: what made rows reveal of real ones. A published dataset keeps all limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from pipelines.judge.privacy.wording import CHANCE, MEANING, TITLES, format_interval, format_limit, format_value
from pipelines.modality import MODALITIES
from pipelines.report.data import ReportData, Section, split_ends
from pipelines.report.plots import INK, REAL, SYNTHETIC, Frame, draw, margin
from schemas.privacy import ClassPrivacy, Closeness, Figure, PrivacyFindings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LISTED_CLASSES = 30


@dataclass(frozen=True)
class FigureRow:
    """One line of the table of figures."""

    title: str
    meaning: str
    value: str
    interval: str
    limit: str


@dataclass(frozen=True)
class PrivacyView:
    """All that the section shows; `left_out` classes are not listed. `rows` were compared: learnt, held out, made."""

    found: PrivacyFindings
    figures: list[FigureRow]
    plot: Markup | None
    closeness: Markup | None
    classes: list[tuple[str, ClassPrivacy]]
    left_out: int
    rows: tuple[int, int, int]
    unit: str


def privacy_section(data: ReportData) -> Section | None:
    """Return the figures of privacy; None where the spec does not ask for them."""
    findings = data.manifest.privacy
    if findings is None:
        return None
    listed, rest = split_ends(
        sorted(findings.classes.items(), key=lambda item: (-item[1].made, item[0])), LISTED_CLASSES
    )
    shares = [figure for figure in findings.figures if not figure.counted]
    view = PrivacyView(
        found=findings,
        figures=[_row(figure) for figure in findings.figures],
        plot=_plot_figures(shares) if shares else None,
        closeness=_plot_closeness(findings.closeness) if findings.closeness else None,
        classes=listed if len(findings.classes) > 1 else [],
        left_out=len(rest),
        rows=tuple(
            sum(getattr(one, part) for one in findings.classes.values()) for part in ("learnt", "held_out", "made")
        ),
        unit=MODALITIES[data.manifest.modality].unit,
    )
    return Section("privacy", "Privacy", "report_privacy.html", view)


def _row(figure: Figure) -> FigureRow:
    return FigureRow(
        TITLES[figure.name], MEANING[figure.name], format_value(figure), format_interval(figure), format_limit(figure)
    )


def _plot_figures(figures: Sequence[Figure]) -> Markup:
    """Draw each share with its interval, its value by chance, and its limit."""
    labels = [TITLES[figure.name] for figure in figures]
    positions = np.arange(len(figures))
    chance = [CHANCE[figure.name] for figure in figures]
    limits = [
        (figure.limit, position)
        for figure, position in zip(figures, positions, strict=True)
        if figure.limit is not None
    ]

    def paint(axes: "Axes") -> None:
        axes.hlines(
            positions, [max(0, f.low) for f in figures], [f.high for f in figures], color=SYNTHETIC, linewidth=3
        )
        axes.plot(
            [max(0, f.value) for f in figures], positions, linestyle="", marker="o", markersize=6, color=SYNTHETIC
        )
        axes.vlines(chance, positions - 0.3, positions + 0.3, color=REAL, linewidth=2)
        for most, position in limits:
            axes.vlines(most, position - 0.44, position + 0.44, color=INK, linewidth=2)
        axes.set_yticks(positions, labels)
        axes.set_ylim(len(figures) - 0.4, -0.6)
        axes.set_xlim(-0.01, 1)
        axes.grid(axis="x")

    said = (f"{TITLES[figure.name]} {format_value(figure)}, limit {format_limit(figure)}" for figure in figures)
    frame = Frame(560, 34 + 26 * max(2, len(figures)), left=margin(labels), right=16)
    return draw(frame, f"Shares with their limits: {'; '.join(said)}", paint)


def _plot_closeness(closeness: Closeness) -> Markup:
    """Draw the share of made rows that have a learnt, and a held-out, row within a distance."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    def paint(axes: "Axes") -> None:
        axes.plot(closeness.held_out, closeness.quantiles, color=REAL, linewidth=1.8, marker="o", markersize=4)
        axes.plot(closeness.learnt, closeness.quantiles, color=SYNTHETIC, linewidth=1.8, marker="o", markersize=4)
        axes.set_ylim(0, 1)
        axes.set_xlim(0, max(1e-9, *closeness.held_out, *closeness.learnt) * 1.03)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0%}"))
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.grid()

    described = "Share of made rows that have a learnt, and a held-out row within a distance"
    return draw(Frame(380, 200, left=44, right=14), described, paint)
