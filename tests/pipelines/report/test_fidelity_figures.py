"""The sections show what was found, in order, and nothing in the data gets to act."""

from pipelines.report.fidelity_figures import fidelity_sections, figures_section
from pipelines.report.templating import environment
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
