"""A proposed spec: finds the class where it can be told, says so where it cannot, and can be planned as it is."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from flows.spec_file import load_spec
from pipelines.plan.planning import make_plan
from pipelines.plan.propose import propose, write_proposal
from schemas.errors import OutputError, SourceError, SpecError
from tests.hostile.promise import spec_of


def png(seed):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)).save(file, "png")
    return file.getvalue()


def rows(count=60):
    return [(n % 37, "red" if n % 4 else "blue", n % 3, f"{n * 7919 % 1000 / 7:.3f}") for n in range(count)]


def write_csv(path, header, found):
    path.write_text("\n".join(",".join(map(str, row)) for row in [header, *found]) + "\n")
    return str(path)


def planned(proposal):
    """Write the proposal, and plan it as a user does."""
    write_proposal(proposal)
    return make_plan(load_spec(proposal.file)[0])


def test_texts_without_a_header_row(tmp_path):
    lines = [f"{'ham' if n % 3 else 'spam'}\tthis is message {n}, don't <b>you</b> see & hear" for n in range(60)]
    (tmp_path / "sms.tsv").write_text("\n".join(lines) + "\n")
    proposal = propose(str(tmp_path / "sms.tsv"), out=str(tmp_path / "spec.yaml"))
    plan = planned(proposal)
    assert (plan.modality, plan.label, plan.profile.text) == ("text", "label", "text")
    assert proposal.classes == {"ham": 40, "spam": 20}
    assert "names in source.header are made up" in proposal.notes[0]


def test_what_the_plan_refuses_is_mended_and_said(tmp_path):
    found = [(age, score, "" if n == 5 else label) for n, (age, label, _, score) in enumerate(rows())]
    source = write_csv(tmp_path / "gaps.csv", ("age", "score", "label"), [*found, (3, 4.5, "rare")])
    proposal = propose(source, out=str(tmp_path / "spec.yaml"))
    assert "missing_label: drop" in proposal.text
    assert any(
        "source.missing_label was set, since column 'label': 1 of 61 rows have no class" in n for n in proposal.notes
    )
    assert planned(proposal).profile.dropped == 1


def test_images_of_class_folders_and_of_parquet(tmp_path):
    for name, count in (("cat", 4), ("dog", 2)):
        (tmp_path / "train" / name).mkdir(parents=True)
        for n in range(count):
            (tmp_path / "train" / name / f"{n}.png").write_bytes(png(n))
    (tmp_path / "test").mkdir()
    proposal = propose(str(tmp_path / "train"), out=str(tmp_path / "spec.yaml"))
    assert proposal.classes == {"cat": 4, "dog": 2}
    assert f"# evaluate: {{test: {tmp_path / 'test'}}}" in proposal.text
    assert planned(proposal).modality == "image"
    images = pa.StructArray.from_arrays(
        [pa.array([png(n) for n in range(6)]), pa.nulls(6, pa.string())], ["bytes", "path"]
    )
    pq.write_table(pa.table({"photo": images, "y": [0, 0, 0, 0, 1, 1]}), tmp_path / "photos.parquet")
    proposal = propose(str(tmp_path / "photos.parquet"), out=str(tmp_path / "other.yaml"))
    assert (proposal.label, planned(proposal).profile.image) == ("y", "photo")


def test_odd_names_stay_what_they_are(tmp_path):
    header = {'a: b # "c"': None, "{x}\n\u2028'<&>": None}
    label = list(header)[1]
    data = [{'a: b # "c"': n % 31 / 3, label: ["- no", "*yes\n<&>"][n % 4 == 0]} for n in range(60)]
    (tmp_path / "odd.jsonl").write_text("\n".join(map(json.dumps, data)) + "\n")
    proposal = propose(str(tmp_path / "odd.jsonl"), out=str(tmp_path / "spec.yaml"))
    plan = planned(proposal)
    assert (plan.label, proposal.label) == (label, label)
    assert {one.name for one in plan.strata} == {"- no", "*yes\n<&>"}


def test_all_that_is_commented_out_can_be_asked_for(tmp_path):
    write_csv(tmp_path / "test.csv", ("age", "score", "label"), [(1, 2, "red")])
    found = [(age, score, label) for age, label, _, score in rows()]
    source = write_csv(tmp_path / "train.csv", ("age", "score", "label"), found)
    proposal = propose(source, out=str(tmp_path / "spec.yaml"))
    text = proposal.text
    for key in ("validate", "privacy", "evaluate", "splits"):
        assert f"# {key}: " in text
        text = text.replace(f"# {key}: ", f"{key}: ")
    (tmp_path / "spec.yaml").write_text(text)
    spec = load_spec(str(tmp_path / "spec.yaml"))[0]
    assert spec.evaluate.test == str(tmp_path / "test.csv")
    assert (list(spec.output.splits), spec.privacy.held_out) == (["train", "test"], 0.2)
    assert [step.name for step in make_plan(spec).validators] == [step.name for step in proposal.plan.validators]


def test_paths_start_at_the_spec_and_no_file_is_overwritten(tmp_path, monkeypatch):
    found = [(age, score, label) for age, label, _, score in rows()]
    (tmp_path / "in").mkdir()
    (tmp_path / "specs").mkdir()
    write_csv(tmp_path / "in" / "data.csv", ("age", "score", "label"), found)
    monkeypatch.chdir(tmp_path)
    proposal = propose("in/data.csv", out="specs/s.yaml")
    assert "path: ../in/data.csv" in proposal.text
    assert planned(proposal).name == "in-balanced"
    with pytest.raises(OutputError, match="specs/s.yaml exists already and is not overwritten"):
        write_proposal(proposal)
    with pytest.raises(SpecError, match=r"s3://\*\*\*@bucket/a.csv holds credentials"):
        propose("s3://key:secret@bucket/a.csv")


def test_a_table_without_a_header_is_named_though_its_first_row_repeats_itself(tmp_path) -> None:
    rows = [f"{30 + row},{row * 7 % 5};{row % 4},5;{row % 2}" for row in range(40)]
    (tmp_path / "h.csv").write_text("".join(row.replace(",", "").replace(";", ",") + "\n" for row in rows))
    proposal = propose(str(tmp_path / "h.csv"), out=str(tmp_path / "spec.yaml"))
    assert proposal.plan.profile.rows == 40
    assert proposal.plan.profile.columns[0].name == "column_1"
    (tmp_path / "s.csv").write_text("a;x;y\n" + "\n".join(rows).replace("3", "4", 1) + "\n")
    notes = propose(str(tmp_path / "s.csv"), out=str(tmp_path / "spec.yaml")).notes
    assert notes == ["the file is written with semicolons between cells, decimal commas in 'a', 'x'"]


def test_the_format_can_be_said_where_names_do_not_tell_it(tmp_path):
    (tmp_path / "table.dat").write_text("x,y\n" + "".join(f"{row % 7},{'ab'[row % 3 % 2]}\n" for row in range(60)))
    with pytest.raises(SourceError, match="the format cannot be told from the name"):
        propose(str(tmp_path / "table.dat"), out=str(tmp_path / "spec.yaml"))
    proposal = propose(str(tmp_path / "table.dat"), out=str(tmp_path / "spec.yaml"), given={"format": "csv"})
    write_proposal(proposal)
    spec, _ = load_spec(str(tmp_path / "spec.yaml"))
    assert (spec.source.format, make_plan(spec).profile.rows) == ("csv", 60)
    with pytest.raises(SpecError, match="got 'cvs'"):
        propose(str(tmp_path / "table.dat"), given={"format": "cvs"})


@pytest.mark.parametrize("rows", [40, 1_500])
def test_texts_are_no_rows_of_a_table(tmp_path, rows):
    lines = [f"this is message number {row} of many,{'ab'[row % 2]}" for row in range(rows)]
    (tmp_path / "d.csv").write_text("\n".join(["text,y", *lines, lines[0]]))
    with pytest.raises(SpecError, match=r"'smote' makes rows of tables, and 'text'.* set source.modality: text"):
        make_plan(spec_of(tmp_path / "d.csv", generator={"name": "smote"}, balance={"target": rows}))
    with pytest.raises(SpecError, match=r"'smote' makes tabular rows, not text.* set source.modality: tabular"):
        make_plan(spec_of(tmp_path / "d.csv", source={"modality": "text"}, generator={"name": "smote"}))
