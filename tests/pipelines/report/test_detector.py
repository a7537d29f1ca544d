"""The detector in the report: the class that is told best comes first."""

from pipelines.report.detector import section_of
from tests.pipelines.report.test_fidelity_figures import FIDELITY, html


def test_the_detector_shows_the_class_that_is_told_best_first():
    page = html(section_of(FIDELITY))
    assert page.index("0.970") < page.index("0.610")
    assert "zebra" in page
    assert "rare</bdi>: no AUC, 3 real and 9 made rows were drawn" in page
    assert page.count("<svg") == 3  # the areas, and what tells in two classes
    assert "<script" not in page
