"""The report as one self-contained HTML page: no network, no script, no font. Pure: same data, same bytes."""

from collections.abc import Callable

from pipelines.modality import MODALITIES, load_part
from pipelines.report.box_counts import box_section
from pipelines.report.data import ReportData, Section
from pipelines.report.detector import detector_section
from pipelines.report.fidelity_figures import KIND_SECTIONS, fidelity_sections
from pipelines.report.overview import (
    class_section,
    headline,
    note_section,
    provenance_section,
    rejection_section,
    timing_section,
)
from pipelines.report.privacy import privacy_section
from pipelines.report.templating import environment
from pipelines.report.utility import utility_section, utility_sections
from schemas.evaluation import Evaluation
from schemas.manifest import Manifest

ABOVE: tuple[Callable[[ReportData], Section | None], ...] = (
    class_section,
    box_section,
    utility_section,
    detector_section,
    *KIND_SECTIONS,
    rejection_section,
)
BELOW: tuple[Callable[[ReportData], Section | None], ...] = (
    privacy_section,
    timing_section,
    provenance_section,
    note_section,
)
"""The parts of every page, above and below those of its modality; each returns None where it has nothing to show."""


def render_report(data: ReportData) -> str:
    """Return the whole page. Every value from the data is escaped; the same `data` gives the same text."""
    own = [load_part(name) for name in MODALITIES[data.manifest.modality].sections]
    sections = [section for make in (*ABOVE, *own, *BELOW) if (section := make(data))]
    page = environment().get_template("report.html")
    return page.render(headline=headline(data.manifest), sections=sections, kind="report")


def render_evaluation(manifest: Manifest, evaluation: Evaluation) -> str:
    """Return the page of an evaluation alone, in the manner of `render_report`."""
    sections = [*utility_sections(evaluation), *fidelity_sections(evaluation)]
    page = environment().get_template("report.html")
    return page.render(headline=headline(manifest), sections=sections, kind="evaluation")
