"""What made rows give away of real ones: the figures, which all keep to their limits, or nothing would be published."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from pipelines.judge.privacy.wording import CHANCE, MEANING, TITLES, interval, limit, told
from pipelines.modality import MODALITIES
from pipelines.report.data import ReportData, Section, ends
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
    """Return the figures of privacy; nothing where the spec does not ask for them."""
    found = data.manifest.privacy
    if found is None:
        return None
    listed, rest = ends(sorted(found.classes.items(), key=lambda item: (-item[1].made, item[0])), LISTED_CLASSES)
    shares = [figure for figure in found.figures if not figure.counted]
    view = PrivacyView(
        found=found,
        figures=[_row(figure) for figure in found.figures],
        plot=_plot(shares) if shares else None,
        closeness=_closeness(found.closeness) if found.closeness else None,
        classes=listed if len(found.classes) > 1 else [],
        left_out=len(rest),
        rows=tuple(
            sum(getattr(one, part) for one in found.classes.values()) for part in ("learnt", "held_out", "made")
        ),
        unit=MODALITIES[data.manifest.modality].unit,
    )
    return Section("privacy", "Privacy", "report_privacy.html", view)


def _row(figure: Figure) -> FigureRow:
    return FigureRow(TITLES[figure.name], MEANING[figure.name], told(figure), interval(figure), limit(figure))


def _plot(figures: Sequence[Figure]) -> Markup:
    """Draw each share with its interval, what it is by chance, and its limit."""
    labels = [TITLES[figure.name] for figure in figures]
    places = np.arange(len(figures))
    chance = [CHANCE[figure.name] for figure in figures]
    limits = [(figure.limit, place) for figure, place in zip(figures, places, strict=True) if figure.limit is not None]

    def paint(axes: "Axes") -> None:
        axes.hlines(places, [max(0, f.low) for f in figures], [f.high for f in figures], color=SYNTHETIC, linewidth=3)
        axes.plot([max(0, f.value) for f in figures], places, linestyle="", marker="o", markersize=6, color=SYNTHETIC)
        axes.vlines(chance, places - 0.3, places + 0.3, color=REAL, linewidth=2)
        for most, place in limits:
            axes.vlines(most, place - 0.44, place + 0.44, color=INK, linewidth=2)
        axes.set_yticks(places, labels)
        axes.set_ylim(len(figures) - 0.4, -0.6)
        axes.set_xlim(-0.01, 1)
        axes.grid(axis="x")

    said = (f"{TITLES[figure.name]} {told(figure)}, limit {limit(figure)}" for figure in figures)
    frame = Frame(560, 34 + 26 * max(2, len(figures)), left=margin(labels), right=16)
    return draw(frame, f"Shares with their limits: {'; '.join(said)}", paint)


def _closeness(found: Closeness) -> Markup:
    """Draw which share of made rows has a learnt, and a held-out row within a distance."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    def paint(axes: "Axes") -> None:
        axes.plot(found.held_out, found.quantiles, color=REAL, linewidth=1.8, marker="o", markersize=4)
        axes.plot(found.learnt, found.quantiles, color=SYNTHETIC, linewidth=1.8, marker="o", markersize=4)
        axes.set_ylim(0, 1)
        axes.set_xlim(0, max(1e-9, *found.held_out, *found.learnt) * 1.03)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0%}"))
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.grid()

    described = "Share of made rows that have a learnt, and a held-out row within a distance"
    return draw(Frame(380, 200, left=44, right=14), described, paint)
