"""The section that shows how well a classifier tells made rows from real ones, and by which features."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from pipelines.report.data import ReportData, Section, split_ends
from pipelines.report.plots import MUTED, SYNTHETIC, Frame, draw, margin
from pipelines.report.wording import label
from schemas.fidelity import Detector, Fidelity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLOTTED_CLASSES, TELLING_CLASSES = 30, 6


@dataclass(frozen=True)
class Telling:
    """The features that reveal the made rows of one class."""

    detector: Detector
    plot: Markup


@dataclass(frozen=True)
class DetectorView:
    """All that the section shows; `left_out` classes are not plotted, and `untold` ones have only a note."""

    made: str
    plot: Markup | None
    found: list[Detector]
    telling: list[Telling]
    left_out: int
    untold: list[Detector]


def detector_section(data: ReportData) -> Section | None:
    """Return the detector's findings; None where nothing was measured."""
    return section_of(data.evaluation.fidelity) if data.evaluation and data.evaluation.fidelity else None


def section_of(fidelity: Fidelity) -> Section | None:
    """Return the section of these findings; None where no class has made rows."""
    if not fidelity.detectors:
        return None
    detectors = sorted((one for one in fidelity.detectors if one.auc is not None), key=lambda one: -(one.auc or 0))
    listed, rest = split_ends(detectors, PLOTTED_CLASSES)
    telling = [Telling(one, _plot_features(one)) for one in detectors if one.tells][:TELLING_CLASSES]
    view = DetectorView(
        made=fidelity.origin,
        plot=_plot_areas(listed) if listed else None,
        found=listed,
        telling=telling,
        left_out=len(rest),
        untold=[one for one in fidelity.detectors if one.auc is None],
    )
    return Section("detector", "Can they be told apart?", "report_detector.html", view)


def _plot_areas(detectors: Sequence[Detector]) -> Markup:
    """Draw each class's AUC with its interval, and the line of mere chance."""
    labels = [label(detector.stratum, 24) for detector in detectors]
    positions = np.arange(len(detectors))
    areas = [detector.auc or 0.0 for detector in detectors]

    def paint(axes: "Axes") -> None:
        axes.axvline(0.5, color=MUTED, linewidth=1.5)
        axes.hlines(
            positions,
            [detector.low or 0 for detector in detectors],
            [detector.high or 0 for detector in detectors],
            color=SYNTHETIC,
            linewidth=2,
        )
        axes.plot(areas, positions, "o", markersize=6, color=SYNTHETIC)
        axes.set_yticks(positions, labels)
        axes.set_ylim(len(detectors) - 0.4, -0.6)
        axes.set_xlim(min(0.45, *(detector.low or 0 for detector in detectors)) - 0.01, 1.01)
        axes.grid(axis="x")

    described = "AUC of the detector by class, with 95% intervals and a line at 0.5"
    return draw(Frame(520, 34 + 22 * max(2, len(detectors)), left=margin(labels), right=16), described, paint)


def _plot_features(detector: Detector) -> Markup:
    """Draw how much of the AUC is lost without each feature."""
    labels = [label(name, 20) for name in detector.tells]
    positions = np.arange(len(labels))

    def paint(axes: "Axes") -> None:
        from matplotlib.ticker import MaxNLocator

        axes.barh(positions, list(detector.tells.values()), height=0.6, color=SYNTHETIC)
        axes.set_yticks(positions, labels)
        axes.set_ylim(max(len(labels), 3) - 0.4, -0.6)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.grid(axis="x")

    described = f"AUC that is lost without each of {len(labels)} columns or words, class {label(detector.stratum)}"
    return draw(Frame(340, 34 + 20 * max(3, len(labels)), left=margin(labels), right=20), described, paint)
