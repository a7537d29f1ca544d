"""What fidelity is called, and how it is told in a terminal."""

import pytest

from flows.display import fidelity_table
from pipelines.judge.fidelity.wording import MEANING, format_figure
from pipelines.report.wording import NOTHING
from tests.pipelines.report.test_fidelity_figures import EVIL, FIDELITY


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
