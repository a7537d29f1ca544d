"""The report, the card and the Croissant file: what a built dataset holds, for people and catalogues.

All are pure functions of their arguments; `site` is the page over all builds below a folder.
"""

from pipelines.report.card import render_card
from pipelines.report.croissant import render_croissant
from pipelines.report.data import ReportData, Section
from pipelines.report.page import render_report
from schemas.manifest import CARD, CROISSANT, Manifest

__all__ = ["ReportData", "Section", "describe", "render_card", "render_report"]


def describe(manifest: Manifest) -> dict[str, str]:
    """Return the texts beside a dataset that follow from its manifest alone, by their file names."""
    return {CARD: render_card(manifest), CROISSANT: render_croissant(manifest)}
