"""Texts of one class that are spelt in several ways are told, by the rows of each."""

import pytest

from flows.display import plan_notes
from pipelines.plan.planning import make_plan
from schemas.errors import SourceError
from schemas.spec import Spec, parse


def told(tmp_path, text, name="rows.csv", **source):
    (tmp_path / name).write_text(text)
    data = {
        "name": "rows",
        "source": {"path": str(tmp_path / name), "label": "label", **source},
        "generator": {"name": "resample"},
        "balance": {"target": "smallest"},
        "output": {"path": str(tmp_path / "out")},
    }
    plan = make_plan(parse(Spec, data))
    return {tuple(s.key): s.real for s in plan.strata}, [note for note in plan_notes(plan) if "One class" in note]


@pytest.mark.parametrize(
    ("text", "source", "counts", "spellings"),
    [
        (
            "label,x\n lead,1\nlead,2\nlead ,3\ntin,4\n",
            {},
            {("lead",): 3, ("tin",): 1},
            "' lead' and 'lead' and 'lead '",
        ),
        ("label,x\n1,1\n1.0,2\n2.5,3\n", {}, {(1.0,): 2, (2.5,): 1}, "'1' and '1.0'"),
        ("label,x\nTRUE,1\ntrue,2\nfalse,3\n", {}, {(True,): 2, (False,): 1}, "'TRUE' and 'true'"),
        ("label,x\nyes,1\n1,2\nno,3\n", {"types": {"label": "boolean"}}, {(True,): 2, (False,): 1}, "'1' and 'yes'"),
    ],
)
def test_the_plan_says_which_texts_become_one_class(tmp_path, text, source, counts, spellings):
    found, notes = told(tmp_path, text, **source)
    assert found == counts
    [note] = notes
    assert f"{spellings} of 'label'" in note


@pytest.mark.parametrize(
    ("text", "counts", "spellings"),
    [
        (
            '{"label": 1, "x": 1}\n{"label": "1", "x": 2}\n{"label": "a", "x": 3}\n',
            {("1",): 2, ("a",): 1},
            "'\"1\"' and '1'",
        ),
        (
            '{"label": true, "x": 1}\n{"label": "true", "x": 2}\n{"label": "True", "x": 3}\n',
            {("true",): 2, ("True",): 1},
            "'\"true\"' and 'true'",
        ),
    ],
)
def test_a_number_and_its_text_in_json_lines_are_told_of_too(tmp_path, text, counts, spellings):
    found, [note] = told(tmp_path, text, "rows.jsonl")
    assert found == counts
    assert f"{spellings} of 'label'" in note


def test_classes_that_look_alike_but_are_written_in_one_way_are_told_of_by_nobody(tmp_path):
    text = "label,x\n lead,1\n lead,2\ntin,3\nNone,4\nnone,5\nnull ,6\n"
    found, notes = told(tmp_path, text, missing_label="drop")
    assert found == {("lead",): 2, ("tin",): 1, ("None",): 1, ("none",): 1}, "null is missing, None is a class"
    assert notes == []


def test_two_columns_that_differ_in_blanks_are_named_as_they_are_written(tmp_path):
    with pytest.raises(
        SourceError, match="two columns 'label' and 'label ', which are both read as 'label': blanks ar"
    ):
        told(tmp_path, "label,label \na,1\nb,2\n")
    (tmp_path / "rows.csv").unlink()
    found, _ = told(tmp_path, "a,1\nb,2\n", header=["label", "label "])
    assert found == {("a",): 1, ("b",): 1}
