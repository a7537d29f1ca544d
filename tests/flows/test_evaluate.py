"""Evaluations through real builds: an honest no, a yes where it must be, faults of held-out rows, texts and images."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from flows.build import build
from flows.cli import app
from flows.evaluate import evaluate
from flows.evaluation_steps import requested_evaluation
from pipelines.judge.evaluate.held_out import evaluation_schema
from pipelines.judge.evaluate.rows import CLASS, RAW, REAL_RECORD, gather_real
from pipelines.plan.planning import make_plan
from pipelines.storage.folder import Folder
from schemas.errors import SourceError, SpecError
from schemas.evaluation import Evaluation
from schemas.spec import Spec, parse


def table(rows, seed, rare=0.1, apart=1.5):
    """Two numbers and a category, of which the first number tells the classes apart."""
    rng = np.random.default_rng(seed)
    label = np.where(rng.random(rows) < rare, "fraud", "fair")
    columns = {
        "id": [f"r-{seed}-{row}" for row in range(rows)],
        "amount": rng.normal((label == "fraud") * apart, 1.0).round(3),
        "visits": rng.integers(0, 30, rows),
        "region": rng.choice(["north", "south", "east"], rows),
        "label": label,
    }
    return pa.table(columns)


@pytest.fixture
def place(tmp_path):
    pa.csv.write_csv(table(300, 1), tmp_path / "train.csv")
    pa.csv.write_csv(table(1_500, 2), tmp_path / "test.csv")
    return tmp_path


def spec_for(place, test="test.csv", source=None, **parts):
    settings = {"test": str(place / test), "seeds": 1, "remedies": ["raw", "class_weights"]}
    data = {
        "name": "t",
        "source": source or {"path": str(place / "train.csv"), "label": "label"},
        "generator": {"name": "smote", "actors": 1},
        "validate": ["duplicates"],
        "evaluate": settings | parts.pop("evaluate", {}),
        "output": {"path": str(place / "out")},
    }
    return parse(Spec, data | parts)


def gather(spec, place):
    plan = make_plan(spec)
    return gather_real(
        spec.source, plan, spec.evaluate, Folder(str(place / "scratch")), requested_evaluation(spec, plan).held_out
    )


@pytest.mark.usefixtures("in_process")
def test_where_class_weights_do_as_well_the_answer_is_no_and_it_is_kept_and_shown(place):
    spec = spec_for(place)
    first = evaluate(spec)
    utility = first.utility
    assert utility.verdict.helps is False
    assert utility.verdict.sentence.startswith("No: class weights do ")
    assert {one.remedy for one in utility.figures} == {"raw", "class_weights", "build", "made_alone"}
    assert utility.rows["raw"]["fraud"] < utility.rows["build"]["fraud"] == utility.rows["build"]["fair"]
    assert utility.rows["made"] == {
        "fair": 0,
        "fraud": utility.rows["build"]["fraud"] - utility.rows["raw"]["fraud"],
    }
    gain = {one.remedy: one.gain for one in utility.differences}["raw"]
    assert gain.low > 0, "balancing does help against doing nothing"
    out = place / "out"
    assert Evaluation.model_validate_json((out / "evaluation.json").read_text()) == first
    for page in ("evaluation.html", "report.html"):
        text = (out / page).read_text()
        assert "Does it help?" in text
        assert utility.verdict.sentence in text
    assert not (out / ".makeweight" / "evaluation").exists(), "rows lie about no longer than they are needed"
    stamp = (out / "evaluation.json").stat().st_mtime_ns
    assert evaluate(spec) == first
    assert (out / "evaluation.json").stat().st_mtime_ns == stamp, "what was measured already is not measured again"
    (out / "evaluation.json").unlink()
    assert evaluate(spec) == first, "same seed, same figures, also of a dataset that is complete"
    other = spec_for(place, seed=1)
    build(parse(Spec, other.model_dump(exclude={"evaluate", "validators"}) | {"validate": ["duplicates"]}), True)
    assert not (out / "evaluation.json").exists(), "another dataset is not told of by the old one's evaluation"


class Oracle:
    """Knows both places where the rare class is, of which the source shows one alone."""

    from generators.base import Capabilities, Params

    capabilities = Capabilities(modalities=("tabular",), max_chunk_rows=100_000)

    def __init__(self, params):
        self.params = params

    def fit(self, table, label, seed):
        self._schema = table.schema

    def sample(self, request):
        x, y = rare_places(request.rows, np.random.default_rng(request.seed), share=0.5)
        made = {"x": x, "y": y, "_stratum": [request.stratum] * request.rows}
        return pa.table({name: made[name] for name in self._schema.names}, schema=self._schema)

    def save(self, path):
        pq.write_table(self._schema.empty_table(), path / "schema.parquet")

    def load(self, path, device):
        self._schema = pq.read_schema(path / "schema.parquet")


def rare_places(rows, rng, share):
    """Points to the right of the middle, a share of them above it instead."""
    near, far = rng.uniform(-1, 1, rows), rng.uniform(2, 4, rows)
    above = rng.random(rows) < share
    return np.where(above, near, far), np.where(above, far, near)


def two_places(rare, common, seed, share):
    rng = np.random.default_rng(seed)
    x, y = rare_places(rare, rng, share)
    columns = {"x": [*x, *rng.uniform(-1, 1, common)], "y": [*y, *rng.uniform(-1, 1, common)]}
    return pa.table({**columns, "label": ["rare"] * rare + ["common"] * common})


@pytest.mark.usefixtures("in_process")
def test_where_made_rows_show_what_no_real_row_does_the_answer_is_yes(tmp_path):
    pa.csv.write_csv(two_places(30, 200, 1, share=0), tmp_path / "train.csv")
    pa.csv.write_csv(two_places(60, 60, 2, share=0.5), tmp_path / "test.csv")
    spec = spec_for(tmp_path, generator={"name": "tests.flows.test_evaluate:Oracle", "actors": 1})
    settings = spec.evaluate.model_copy(update={"remedies": None})
    utility = evaluate(spec.model_copy(update={"evaluate": settings})).utility
    assert utility.verdict.helps is True, utility.verdict.sentence
    assert len(utility.differences) == 5
    assert all(one.gain.low > 0.1 for one in utility.differences)
    assert utility.verdict.sentence.startswith("Yes: balanced accuracy ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.rename_columns(["id", "amout", "visits", "region", "label"]),
         "lack 1 of the source's columns: 'amount'; did you mean 'amout'?"),
        (lambda t: t.drop_columns(["label"]), "lack 1 of the source's columns: 'label'"),
        (lambda t: t.filter(pa.compute.equal(t["label"], "fair")),
         "no held-out row of 1 of the source's 2 classes: 'fraud'; nothing can be said of a class without rows"),
        (lambda t: t.set_column(4, "label", pa.array(["fruad" if v == "fraud" else v for v in t["label"].to_pylist()])),
         "classes that the source lacks: 'fruad'"),
        (lambda t: t.set_column(1, "amount", pa.array(["much"] * t.num_rows)),
         "column 'amount': held-out cells are not of the source's type, double, such as 'much'"),
        (lambda t: t.set_column(4, "label", pa.array([None, *t["label"].to_pylist()[1:]])),
         "1 held-out rows lack a class (column 'label')"),
        (lambda t: t.slice(0, 0), "there are no held-out rows; check evaluate.test"),
    ],
)  # fmt: skip
def test_a_fault_in_the_held_out_rows_is_told_plainly(place, change, message):
    pa.csv.write_csv(change(table(200, 2)), place / "test.csv")
    with pytest.raises(SourceError) as caught:
        gather(spec_for(place), place)
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.usefixtures("in_process")
def test_what_cannot_be_evaluated_is_refused(place):
    with pytest.raises(SpecError, match="evaluate.test: these are the rows that the dataset is built from"):
        gather(spec_for(place, test="train.csv"), place)
    with pytest.raises(SpecError, match="evaluate: nothing says what to test on"):
        evaluate.fn(spec_for(place).model_copy(update={"evaluate": None}))


def test_unseen_categories_other_columns_and_copies_are_noted_with_their_counts(place):
    held = table(200, 2)
    regions = ["west"] * 3 + held["region"].to_pylist()[3:]
    held = held.set_column(3, "region", pa.array(regions)).append_column("comment", pa.array(["x"] * 200))
    copied = table(300, 1).slice(0, 7).append_column("comment", pa.array(["x"] * 7))
    pq.write_table(pa.concat_tables([held, copied]), place / "test.parquet")
    notes = gather(spec_for(place, test="test.parquet"), place).notes
    assert any(
        "Column 'region': 3 of 207 held-out rows have values that no source row has ('west')" in n for n in notes
    )
    assert any("the source lacks are not looked at: 'comment'" in note for note in notes)
    assert any(note.startswith("7 of 207 held-out rows are the same as a source row") for note in notes)


def test_neither_ids_nor_the_label_are_learned_from_and_whole_numbers_may_have_fractions(place):
    held = table(200, 2)
    pa.csv.write_csv(held.set_column(2, "visits", pa.array(np.arange(200) + 0.5)), place / "test.csv")
    spec = spec_for(place)
    gather(spec, place)
    assert evaluation_schema(make_plan(spec)).names == ["amount", "visits", "region", "label"]
    assert Folder(str(place / "scratch")).read_arrow(RAW).column_names == ["amount", "visits", "region", CLASS]


@pytest.mark.usefixtures("in_process")
def test_too_many_rows_are_drawn_by_the_same_share_and_it_is_noted(place):
    pa.csv.write_csv(table(2_000, 1), place / "train.csv")
    record = gather(spec_for(place, evaluate={"max_rows": 900}), place)
    assert 300 < sum(record.raw) < 700, "a quarter of some 3,600 rows of the build, and of the raw ones too"
    assert any("the same share and the same real rows" in note for note in record.notes)
    assert (place / "scratch" / REAL_RECORD).exists()


@pytest.mark.usefixtures("in_process")
def test_texts_are_compared_with_edited_texts(tmp_path):
    words = {"spam": "win free prize cash claim now call urgent", "ham": "see you later home dinner work train lunch"}
    rng = np.random.default_rng(0)
    for name, counts in (("train", {"spam": 15, "ham": 60}), ("test", {"spam": 25, "ham": 25})):
        rows = [
            (" ".join(rng.choice(words[k].split(), 6)) + f" {n}", k) for k, many in counts.items() for n in range(many)
        ]
        pa.csv.write_csv(
            pa.table({"text": [r[0] for r in rows], "label": [r[1] for r in rows]}), tmp_path / f"{name}.csv"
        )
    spec = spec_for(
        tmp_path,
        source={"path": str(tmp_path / "train.csv"), "label": "label", "modality": "text", "text": "text"},
        generator={"name": "resample", "actors": 1},
        validate=[],
        evaluate={"remedies": ["raw", "augmentation"]},
    )
    utility = evaluate(spec).utility
    assert utility.classifiers == ["logistic regression"]
    assert utility.of("augmentation").roc_auc.mean > 0.95
    assert utility.of("made_alone").roc_auc.mean > 0.95


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_images_are_told_apart_by_a_small_network(tmp_path):
    rng = np.random.default_rng(0)
    for name, counts in (("train", {"bright": 40, "dark": 12}), ("test", {"bright": 20, "dark": 20})):
        for label, many in counts.items():
            (tmp_path / name / label).mkdir(parents=True)
            for number in range(many):
                pixels = rng.integers(0, 90, (8, 8)) + (120 if label == "bright" else 0)
                Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name / label / f"{number}.png")
    spec = spec_for(
        tmp_path,
        test="test",
        source={"path": str(tmp_path / "train"), "label": "label"},
        generator={"name": "augment", "actors": 1},
        validate=["duplicates"],
        evaluate={"remedies": ["raw"]},
    )
    utility = evaluate(spec).utility
    assert utility.classifiers == ["small ResNet"]
    assert utility.of("raw").roc_auc.mean > 0.95
    assert utility.rows["test"] == {"bright": 20, "dark": 20}


@pytest.mark.usefixtures("in_process")
def test_the_command_says_what_is_missing(place):
    data = {"name": "t", "source": {"path": "train.csv", "label": "label"}, "output": {"path": "out"}}
    (place / "spec.yaml").write_text(json.dumps(data))
    answer = CliRunner().invoke(app, ["evaluate", str(place / "spec.yaml")])
    assert answer.exit_code == 2
    assert "nothing says what to test on" in answer.stderr
    assert not (place / "out").exists()
    answer = CliRunner().invoke(app, ["evaluate", str(place / "spec.yaml"), "--test", str(place / "none.csv")])
    assert answer.exit_code == 2
    assert "none.csv: no such file or folder; check evaluate.test" in answer.stderr


@pytest.mark.usefixtures("engine")
def test_the_command_shows_table_and_sentence(place):
    data = {"name": "t", "source": {"path": "train.csv", "label": "label"}, "output": {"path": "out"}}
    data |= {"generator": {"name": "smote", "actors": 1}, "validate": []}
    (place / "spec.yaml").write_text(json.dumps(data))
    sets = ["--set", "evaluate.seeds=1", "--set", "evaluate.remedies=[raw]"]
    test = ["--test", str(place / "test.csv")]
    answer = CliRunner().invoke(app, ["evaluate", str(place / "spec.yaml"), *test, *sets])
    assert answer.exit_code == 0, answer.output
    assert "t: on 1,500 real held-out rows" in answer.stdout
    assert "Yes: balanced accuracy" in answer.stdout
    assert f"report   {place}/out/evaluation.html" in answer.stdout
    shown = CliRunner().invoke(app, ["evaluate", str(place / "spec.yaml"), *test, *sets, "--json"])
    assert json.loads(shown.stdout)["utility"]["verdict"]["helps"] is True
