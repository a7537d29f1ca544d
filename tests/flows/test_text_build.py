"""Builds of labelled texts: exact, reproducible, with parents; bad texts are told plainly."""

import json
import random
from contextlib import nullcontext

import pyarrow.parquet as pq
import pytest

from flows.build import build
from pipelines.dataset.verify import verify
from pipelines.plan.planning import make_plan
from pipelines.plan.recognise import find_modality
from schemas.errors import MakeweightError
from schemas.spec import Spec, parse
from tests.in_process import without_engines

WORDS = {
    "spam": "win free prize cash claim now call text mobile urgent guaranteed bonus reply winner award",
    "ham": "see you later home dinner tonight work meeting thanks mum bus train lunch tomorrow sleep",
}


def texts(label, count):
    rng = random.Random(label)
    return [" ".join(rng.choices(WORDS[label].split(), k=rng.randint(6, 14))) for _ in range(count)]


def spec_for(path, out, **parts):
    data = {"name": "t", "source": {"path": str(path), "label": "label"}, "output": {"path": str(out)}}
    return parse(Spec, data | {"generator": {"name": "edit", "actors": 2}} | parts)


@pytest.fixture
def folders(tmp_path):
    for label, count in (("spam", 30), ("ham", 90)):
        (tmp_path / "mail" / label).mkdir(parents=True)
        for number, text in enumerate(texts(label, count)):
            (tmp_path / "mail" / label / f"{number:03}.txt").write_text(text)
    (tmp_path / "mail" / ".hidden.txt").write_text("not data")
    return tmp_path / "mail"


@pytest.mark.usefixtures("engine")
def test_class_folders_become_an_exact_dataset_whatever_the_number_of_actors(folders, tmp_path):
    manifests = []
    for actors, where in ((1, without_engines()), (2, nullcontext())):
        generator = {"name": "edit", "actors": actors, "chunk_rows": 20}
        spec = spec_for(folders, tmp_path / f"out{actors}", generator=generator)
        with where:
            manifests.append(build(spec))
        assert verify(spec.output.path).problems == []
    assert manifests[0] == manifests[1]
    assert {name: c.real + c.synthetic for name, c in manifests[0].counts.items()} == {"ham": 90, "spam": 90}
    table = pq.read_table(tmp_path / "out1" / "data")
    assert table.column_names[:2] == ["text", "label"]
    real = {row["_id"]: row for row in table.to_pylist() if row["_origin"] == "real"}
    made = [row for row in table.to_pylist() if row["_origin"] == "augmented"]
    assert len(made) == 60
    for row in made:
        assert real[row["_parent"]]["label"] == row["label"] == "spam"
        assert row["text"] != real[row["_parent"]]["text"]
    assert "BLEU" in (tmp_path / "out1" / "report.html").read_text()


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_the_text_column_is_found_or_asked_for(tmp_path):
    rows = [{"label": label, "id": n, "message": text} for label in WORDS for n, text in enumerate(texts(label, 20))]
    write_rows(tmp_path / "one.jsonl", rows)
    plan = make_plan(spec_for(tmp_path / "one.jsonl", tmp_path / "out"))
    assert (plan.modality, plan.profile.text) == ("text", "message")
    write_rows(tmp_path / "two.jsonl", [row | {"subject": row["message"][::-1]} for row in rows])
    with pytest.raises(MakeweightError, match="source.text: which column holds the text. there are 'message', 'subj"):
        make_plan(spec_for(tmp_path / "two.jsonl", tmp_path / "out"))


@pytest.mark.parametrize("empty", ["", "   \n ", None])
def test_empty_texts_are_told_and_may_be_dropped(tmp_path, empty):
    rows = [{"label": label, "text": text} for label in WORDS for text in texts(label, 20)]
    write_rows(tmp_path / "t.jsonl", [*rows, {"label": "ham", "text": empty}])
    source = {"path": str(tmp_path / "t.jsonl"), "label": "label", "text": "text"}
    with pytest.raises(MakeweightError, match="column 'text': 1 of 41 texts are empty; .*source.missing_text: drop"):
        make_plan(spec_for("", tmp_path / "out", source=source))
    plan = make_plan(spec_for("", tmp_path / "out", source=source | {"missing_text": "drop"}))
    assert (plan.profile.rows, plan.profile.dropped) == (40, 1)


def test_a_text_file_outside_of_class_folders_and_wrong_bytes_are_told(folders, tmp_path):
    (folders / "spam" / "999.txt").write_bytes(b"caf\xe9")
    with pytest.raises(MakeweightError, match="spam/999.txt: is not UTF-8: byte 0xe9 at offset 3"):
        make_plan(spec_for(folders, tmp_path / "out"))
    (folders / "spam" / "999.txt").unlink()
    (folders / "loose.txt").write_text("hello")
    with pytest.raises(MakeweightError, match="loose.txt: lies in no class folder"):
        make_plan(spec_for(folders, tmp_path / "out"))


def test_a_generator_of_another_modality_is_refused(folders, tmp_path):
    with pytest.raises(MakeweightError, match="'ctgan' makes tabular rows, not text; for text: .*edit"):
        make_plan(spec_for(folders, tmp_path / "out", generator={"name": "ctgan"}))
    assert find_modality(spec_for(folders, tmp_path / "out")).name == "text"


def test_numbers_as_texts_stay_texts(tmp_path):
    (tmp_path / "t.tsv").write_text("".join(f"{label}\t{n * 7}\n" for n in range(30) for label in ("a", "b")))
    source = {"path": str(tmp_path / "t.tsv"), "label": "label", "header": ["label", "text"], "text": "text"}
    plan = make_plan(spec_for("", tmp_path / "out", source=source))
    assert plan.profile.column("text").type == "string"
