"""The sections show what was found, in order, and nothing in the data gets to act."""

import pytest

from flows.display import fidelity_table
from pipelines.judge.fidelity.wording import MEANING, format_figure
from pipelines.report.detector import section_of
from pipelines.report.engine import environment
from pipelines.report.fidelity_figures import fidelity_sections, figures_section
from pipelines.report.wording import NOTHING
from schemas.evaluation import Evaluation
from schemas.fidelity import Detector, Fidelity, Figure, FigureGroup

EVIL = '<script>alert("x")</script>'
GROUP = FigureGroup(
    kind="texts",
    rows=40,
    basis="Of some texts.",
    figures=[
        Figure(name="Self-BLEU", made=61.5, real=20.25, better="real"),
        Figure(name="Distinct-1", made=0.25, real=None, better="real"),
        Figure(name="Distinct-2", made=0.5, real=0.75, better="real"),
        *(Figure(name="Distinct-1", made=0.2, real=0.3, better="real", stratum=name) for name in (EVIL, "ham")),
    ],
)
FIDELITY = Fidelity(
    origin="synthetic",
    groups=[GROUP],
    detectors=[
        Detector(stratum="ham", rows=900, auc=0.61, low=0.58, high=0.64, tells={"call": 0.01}),
        Detector(stratum=EVIL, rows=70, auc=0.97, low=0.95, high=0.99, tells={EVIL: 0.2, "zebra": 0.1}),
        Detector(stratum="rare", rows=3, note="3 real and 9 made rows were drawn, and 50 of each are needed"),
    ],
)


def html(section):
    return environment().get_template(section.template).render(view=section.view)


def evaluation(fidelity):
    return Evaluation.model_construct(key="k", content_hash="h", utility=None, fidelity=fidelity)


def test_the_detector_comes_first_and_then_each_kind_of_figures():
    assert [one.anchor for one in fidelity_sections(evaluation(FIDELITY))] == ["detector", "fidelity-texts"]
    assert fidelity_sections(evaluation(None)) == []


def test_the_detector_shows_the_class_that_is_told_best_first():
    page = html(section_of(FIDELITY))
    assert page.index("0.970") < page.index("0.610")
    assert "zebra" in page
    assert "rare</bdi>: no AUC, 3 real and 9 made rows were drawn" in page
    assert page.count("<svg") == 3  # the areas, and what tells in two classes
    assert "<script" not in page


def test_figures_show_both_sides_and_classes():
    page = html(figures_section(FIDELITY, GROUP))
    assert "61.5" in page
    assert "20.2" in page
    assert "By class" in page
    assert "share of different pairs of words" in page
    assert "<script" not in page
    assert page.count("<svg") == 1


def test_what_was_not_measured_is_said():
    [section] = fidelity_sections(evaluation(Fidelity(origin="synthetic", groups=[], detectors=[], notes=["Nothing."])))
    assert "Nothing." in html(section)


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, NOTHING), (0.0, "0.000"), (0.12345, "0.123"), (0.00012, "1.2e-04"), (45.67, "45.7"), (12345.6, "12,346")],
)
def test_figures_are_told_with_three_digits(value, words):
    assert format_figure(value) == words


def test_the_terminal_shows_what_is_measured_and_the_detector():
    table = fidelity_table("demo", FIDELITY)
    lines = [[str(cell) for cell in column.cells] for column in table.columns]
    assert lines[0] == [
        "Self-BLEU",
        "Distinct-1",
        "Distinct-2",
        f"detector AUC, class {EVIL}",
        "detector AUC, class ham",
    ]
    assert lines[1] == ["61.5", "0.250", "0.500", "0.970", "0.610"]
    assert lines[2] == ["20.2", NOTHING, "0.750", "0.500", "0.500"]
    assert f"{EVIL}, zebra" in lines[3][3]


def test_every_figure_has_its_meaning():
    assert all(MEANING.values())
