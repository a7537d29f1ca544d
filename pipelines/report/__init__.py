"""The report and the card: what a built dataset holds, for people. Both are pure functions of what they are given."""

from pipelines.report.card import render_card
from pipelines.report.data import ReportData, Section
from pipelines.report.page import render_report

__all__ = ["ReportData", "Section", "render_card", "render_report"]
