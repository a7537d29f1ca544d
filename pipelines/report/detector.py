"""The section that says how surely a classifier tells made rows from real ones, and what gives them away."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from pipelines.report.data import ReportData, Section, ends
from pipelines.report.plots import MUTED, SYNTHETIC, Frame, draw, margin
from pipelines.report.wording import label
from schemas.fidelity import Detector, Fidelity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLOTTED_CLASSES, TELLING_CLASSES = 30, 6


@dataclass(frozen=True)
class Telling:
    """What gives the made rows of one class away."""

    detector: Detector
    plot: Markup


@dataclass(frozen=True)
class DetectorView:
    """All that the section shows; `left_out` classes are not plotted, and `untold` have no more than a note."""

    made: str
    plot: Markup | None
    found: list[Detector]
    telling: list[Telling]
    left_out: int
    untold: list[Detector]


def detector_section(data: ReportData) -> Section | None:
    """Return what a detector finds; nothing where nothing was measured."""
    return section_of(data.evaluation.fidelity) if data.evaluation and data.evaluation.fidelity else None


def section_of(fidelity: Fidelity) -> Section | None:
    """Return the section of these findings; nothing where no class has made rows."""
    if not fidelity.detectors:
        return None
    found = sorted((one for one in fidelity.detectors if one.auc is not None), key=lambda one: -(one.auc or 0))
    listed, rest = ends(found, PLOTTED_CLASSES)
    telling = [Telling(one, _tells(one)) for one in found if one.tells][:TELLING_CLASSES]
    view = DetectorView(
        made=fidelity.origin,
        plot=_areas(listed) if listed else None,
        found=listed,
        telling=telling,
        left_out=len(rest),
        untold=[one for one in fidelity.detectors if one.auc is None],
    )
    return Section("detector", "Can they be told apart?", "report_detector.html", view)


def _areas(found: Sequence[Detector]) -> Markup:
    """Draw each class's AUC with its interval, and the line where nothing can be told."""
    labels = [label(one.stratum, 24) for one in found]
    places = np.arange(len(found))
    areas = [one.auc or 0.0 for one in found]

    def paint(axes: "Axes") -> None:
        axes.axvline(0.5, color=MUTED, linewidth=1.5)
        axes.hlines(
            places, [one.low or 0 for one in found], [one.high or 0 for one in found], color=SYNTHETIC, linewidth=2
        )
        axes.plot(areas, places, "o", markersize=6, color=SYNTHETIC)
        axes.set_yticks(places, labels)
        axes.set_ylim(len(found) - 0.4, -0.6)
        axes.set_xlim(min(0.45, *(one.low or 0 for one in found)) - 0.01, 1.01)
        axes.grid(axis="x")

    described = "AUC of the detector by class, with 95% intervals and a line at 0.5"
    return draw(Frame(520, 34 + 22 * max(2, len(found)), left=margin(labels), right=16), described, paint)


def _tells(one: Detector) -> Markup:
    """Draw how much of the AUC is lost without each thing that tells."""
    labels = [label(name, 20) for name in one.tells]
    places = np.arange(len(labels))

    def paint(axes: "Axes") -> None:
        from matplotlib.ticker import MaxNLocator

        axes.barh(places, list(one.tells.values()), height=0.6, color=SYNTHETIC)
        axes.set_yticks(places, labels)
        axes.set_ylim(max(len(labels), 3) - 0.4, -0.6)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.grid(axis="x")

    described = f"AUC that is lost without each of {len(labels)} columns or words, class {label(one.stratum)}"
    return draw(Frame(340, 34 + 20 * max(3, len(labels)), left=margin(labels), right=20), described, paint)
