"""The privacy gate of a build: it stops what copies, lets through what learns, and says what it could not measure."""

import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from PIL import Image

from flows.build import build
from flows.display import result_notes
from pipelines.dataset.verify import verify
from pipelines.judge.privacy.gate import combine_findings
from pipelines.plan.planning import make_plan
from schemas.errors import OutputError, PrivacyError
from schemas.spec import Balance, Spec, parse
from tests.in_process import without_engines

COPYING = {"name": "resample", "actors": 2, "chunk_rows": 64}
NO_LIMITS = dict.fromkeys(["attack_auc", "attack_tpr", "closer", "copies", "singling_out"])


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """1,300 rows of people, 400 of them of the rare class."""
    rng = np.random.default_rng(3)
    rare = np.arange(1300) < 400
    table = pa.table(
        {
            "age": rng.integers(18, 90, 1300),
            "wage": np.where(rare, rng.normal(70, 12, 1300), rng.normal(40, 12, 1300)).round(1),
            "town": rng.choice(["Ulm", "Bonn", "Kiel", "Jena"], 1300, p=[0.5, 0.3, 0.15, 0.05]),
            "label": np.where(rare, "rare", "many"),
        }
    )
    path = tmp_path_factory.mktemp("source") / "people.csv"
    pa.csv.write_csv(table, path)
    return path


def spec_for(source, out, **parts) -> Spec:
    data = {
        "name": "people",
        "source": {"path": str(source), "label": "label"},
        "generator": COPYING,
        "privacy": {"held_out": 0.3},
        "output": {"path": str(out)},
    }
    return parse(Spec, data | parts)


@pytest.fixture(scope="module")
def freed(source, tmp_path_factory):
    """Copies that were published since nothing limits them: their spec and manifest."""
    out = tmp_path_factory.mktemp("freed") / "out"
    spec = spec_for(source, out, privacy={"held_out": 0.3, "limits": NO_LIMITS})
    with without_engines():
        return spec, build(spec)


def stamps(output, folder):
    return {path: path.stat().st_mtime_ns for path in output.glob(f".makeweight/work-*/{folder}/**/*")}


@pytest.mark.usefixtures("in_process")
def test_a_generator_that_copies_its_rows_is_stopped_and_nothing_is_published(source, tmp_path):
    spec, output = spec_for(source, tmp_path / "out"), tmp_path / "out"
    with pytest.raises(PrivacyError) as caught:
        build(spec)
    message = str(caught.value)
    assert caught.value.exit_code == 1
    assert "privacy: attack_auc is 0.9" in message
    assert ", its limit 0.6: how well an attack tells learnt rows from held-out ones; 0.5 is a guess" in message
    for name in ("attack_tpr", "closer", "copies", "singling_out"):
        assert f"privacy: {name} is " in message
    last = message.splitlines()[-1]
    assert last.startswith("nothing is published: rows of 'resample' are real rows, repeated or changed, so choose a ")
    assert "or raise privacy.limits.attack_auc, privacy.limits.attack_tpr, " in last
    assert last.endswith("; finished work is kept")
    assert [path.name for path in output.iterdir()] == [".makeweight"]
    kept = [stamps(output, folder) for folder in ("staged", "privacy")]
    assert all(kept)
    with pytest.raises(PrivacyError) as again:
        build(spec)
    assert str(again.value) == message
    assert [stamps(output, folder) for folder in ("staged", "privacy")] == kept, "nothing is measured or made again"
    asked = {"held_out": 0.3, "quasi_identifiers": ["age"], "sensitive": ["wage"]}
    limits = NO_LIMITS | {"k_anonymity": 500, "l_diversity": 900}
    with pytest.raises(PrivacyError, match="k_anonymity is .*, its limit 500: made rows that agree") as caught:
        build(spec_for(source, output, privacy=asked | {"limits": limits}))
    assert "l_diversity is " in str(caught.value)
    assert "attack_auc" not in str(caught.value)
    assert "declare fewer or coarser quasi-identifiers, or lower privacy.limits.k_anonymity" in str(caught.value)
    assert stamps(output, "staged") == kept[0], "other limits make no other rows"


@pytest.mark.usefixtures("in_process")
def test_a_generator_that_learns_passes_and_the_figures_are_told(source, tmp_path):
    asked = {"held_out": 0.3, "quasi_identifiers": ["town", "age"], "sensitive": ["wage"]}
    manifest = build(spec_for(source, tmp_path / "out", privacy=asked, generator={"name": "gaussian_copula"}))
    found = manifest.privacy
    assert found.broken == []
    figures = {figure.name: figure for figure in found.figures}
    assert figures["attack_auc"].low < 0.5 < figures["attack_auc"].high
    assert figures["copies"].value == 0
    assert list(found.classes) == ["rare"]
    assert found.classes["rare"].made == 500
    table = pq.read_table(tmp_path / "out" / "data").filter(pa.compute.field("_origin") == "synthetic")
    sizes = table.group_by(["town", "age"]).aggregate([("wage", "count_distinct"), ([], "count_all")])
    assert figures["k_anonymity"].value == min(sizes["count_all"].to_pylist())
    assert figures["l_diversity"].value == min(sizes["wage_count_distinct"].to_pylist())
    assert found.groups.groups == sizes.num_rows
    [line] = result_notes(manifest)
    assert line.startswith(f"privacy: attack AUC {figures['attack_auc'].value:.3f} (limit 0.6), ")
    page = (tmp_path / "out" / "report.html").read_text()
    assert f">{figures['attack_auc'].value:.3f}</td>" in page
    assert "arXiv:2505.01524" in page
    assert "`attack_auc` " in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.usefixtures("in_process")
def test_held_out_rows_are_not_learnt_from_and_yet_published(freed):
    output = Path(freed[0].output.path)
    [parents] = output.glob(".makeweight/models/*/parents.npy")
    learnt = set(np.load(parents).tolist())
    assert 840 < len(learnt) < 980
    table = pq.read_table(output / "data")
    assert table.filter(pa.compute.field("_origin") == "real").num_rows == 1300, "they are real rows like any other"
    used = {int(parent.removeprefix("real-")) for parent in table["_parent"].drop_null().to_pylist()}
    assert used < learnt
    assert len(used) > 200


@pytest.mark.usefixtures("engine")
def test_the_figures_do_not_depend_on_the_number_of_actors(source, freed, tmp_path):
    on_ray = spec_for(source, tmp_path / "out", privacy=freed[0].privacy)
    assert build(on_ray).model_dump_json() == freed[1].model_dump_json(), "two actors, and one in this process"
    assert {figure.name: figure.limit for figure in freed[1].privacy.figures} == NO_LIMITS


@pytest.mark.usefixtures("in_process")
def test_a_published_dataset_is_not_taken_for_one_of_stricter_limits(source, freed):
    spec, manifest = freed
    assert build(spec) == manifest
    assert verify(spec.output.path).problems == []
    with pytest.raises(OutputError, match="holds another build .*of another spec"):
        build(spec_for(source, spec.output.path))


@pytest.mark.usefixtures("in_process")
def test_classes_with_too_few_rows_are_named(tmp_path):
    rows = "".join(f"{n},{n % 7},{'x' if n % 12 else 'few'}\n" for n in range(300))
    (tmp_path / "few.csv").write_text("a,b,label\n" + rows)
    spec = spec_for(tmp_path / "few.csv", tmp_path / "out")
    manifest = build(spec)
    note = "Not measured, since fewer than 10 of their real rows could be held out: 'few'."
    assert manifest.privacy.notes == [note]
    assert manifest.privacy.figures == []
    assert result_notes(manifest) == [f"privacy: {note}"]
    assert note.replace("'", "&#39;") in (tmp_path / "out" / "report.html").read_text()
    nothing = make_plan(spec.model_copy(update={"balance": Balance(target="smallest")}))
    assert combine_findings(nothing, [], None).notes == [
        "No rows were made, so there is nothing that they could give away."
    ]


@pytest.mark.usefixtures("in_process")
def test_texts_that_are_copied_are_stopped(tmp_path):
    rng = random.Random(0)
    words = [f"word{n}" for n in range(400)]
    rows = [
        {"label": label, "text": " ".join(rng.choices(words, k=12))}
        for label, count in (("spam", 60), ("ham", 120))
        for _ in range(count)
    ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {
        "name": "t",
        "source": {"path": str(tmp_path / "t.jsonl"), "label": "label", "modality": "text"},
        "generator": COPYING,
        "privacy": {"held_out": 0.4},
        "validate": [],
        "output": {"path": str(tmp_path / "out")},
    }
    with pytest.raises(PrivacyError, match="attack_auc is [^§]*singling_out is "):
        build(parse(Spec, data))


@pytest.mark.usefixtures("in_process")
def test_images_that_are_copied_are_stopped(tmp_path):
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    for label, count in (("0", 120), ("1", 50)):
        (tmp_path / "digits" / label).mkdir(parents=True)
        for number, row in enumerate(images[labels == int(label)][:count]):
            Image.fromarray((row.reshape(8, 8) * 15.9).astype(np.uint8)).save(
                tmp_path / "digits" / label / f"{number}.png"
            )
    data = {
        "name": "i",
        "source": {"path": str(tmp_path / "digits"), "label": "label"},
        "generator": COPYING,
        "privacy": {"held_out": 0.4},
        "validate": [],
        "output": {"path": str(tmp_path / "out")},
    }
    with pytest.raises(PrivacyError, match="attack_auc is .*\n(.*\n)*.*copies is ") as caught:
        build(parse(Spec, data))
    assert "singling_out" not in str(caught.value), "nothing of an image is looked for by itself"
