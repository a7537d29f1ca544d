"""Which column is the class: told by its name or its values, or asked for."""

import pytest

from pipelines.plan.propose import propose
from schemas.errors import SpecError
from tests.pipelines.plan.test_propose import planned, rows, write_csv


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (("age", "colour", "class", "score"), "class"),  # by its name
        (("age", "Target", "kind", "score"), "Target"),
        (("age", "label", "class", "score"), "label"),  # the surer name
    ],
)
def test_a_class_is_told_by_its_name(tmp_path, header, expected):
    source = write_csv(tmp_path / "data.csv", header, rows())
    proposal = propose(source, out=str(tmp_path / "spec.yaml"))
    assert proposal.label == expected
    plan = planned(proposal)
    assert plan.label == expected
    assert {one.name: one.real for one in plan.strata} == proposal.classes
    assert expected not in [one.name for one in proposal.candidates]


def test_the_last_column_or_the_only_candidate(tmp_path):
    last = [(score, age, flag, colour) for age, colour, flag, score in rows()]
    found = propose(write_csv(tmp_path / "last.csv", ("s", "a", "flag", "colour"), last), out=str(tmp_path / "a.yaml"))
    assert (found.label, found.classes) == ("colour", {"red": 45, "blue": 15})
    assert next(one.name for one in found.candidates) == "flag"
    only = [(colour, score, "EUR", f"n-{n}") for n, (_, colour, _, score) in enumerate(rows())]
    found = propose(
        write_csv(tmp_path / "only.csv", ("colour", "score", "unit", "id"), only), out=str(tmp_path / "b.yaml")
    )
    assert (found.label, found.candidates) == ("colour", [])


def test_a_class_that_cannot_be_told_is_asked_for(tmp_path):
    source = write_csv(tmp_path / "data.csv", ("age", "colour", "flag", "score"), rows())
    with pytest.raises(SpecError) as refused:
        propose(source)
    told = str(refused.value)
    assert refused.value.exit_code == 2
    assert "which column is the class? name it with --label:" in told
    assert "colour   2 classes: red (45), blue (15)" in told
    assert "flag     3 classes: 0 (20), 1 (20), 2 (20)" in told
    assert "score" not in told
    assert propose(source, "flag").classes == {"0": 20, "1": 20, "2": 20}
    with pytest.raises(SpecError, match=r"--label colr: the source has no such column; did you mean 'colour'\?"):
        propose(source, "colr")
    numbers = write_csv(tmp_path / "numbers.csv", ("a", "b"), [(n / 7, n * n) for n in range(90)])
    with pytest.raises(SpecError, match="no column has a few values that repeat.* there are 'a', 'b'; name the class"):
        propose(numbers)
