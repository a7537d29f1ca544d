"""From a file to a dataset, and what is asked of it afterwards: init, ls, diff, and what catalogues read."""

import json
import os

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from flows.build import build
from flows.cli import app
from flows.spec_file import load_spec
from tests.in_process import without_engines

ROWS = [(n, n * 37 % 101 / 10, "hi" if n % 9 else "lo", n % 2) for n in range(90)]
TABLE = "age,score,income,vip\n" + "".join(f"{n % 50},{score},{label},{vip}\n" for n, score, label, vip in ROWS)


def run(*args, **options):
    return CliRunner().invoke(app, list(args), **options)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("adhoc")
    (place / "people.csv").write_text(TABLE)
    return place


@pytest.fixture
def here(place, monkeypatch):
    monkeypatch.chdir(place)
    return place


@pytest.fixture(scope="module")
def built(place):
    """Two builds by a spec that `init` wrote, the second of another seed."""
    spec = str(place / "built.yaml")
    assert run("init", str(place / "people.csv"), "--label", "income", "--out", spec).exit_code == 0
    sets = [
        "generator.name=resample",
        "generator.actors=1",
        "validate=[schema]",
        "output.splits={train: 0.5, test: 0.5}",
    ]
    with without_engines():
        return [
            build(load_spec(spec, [*sets, f"output.path={place}/out/{seed}", f"seed={seed}"])[0]) for seed in (1, 2)
        ]  # fmt: skip


def test_init_asks_for_a_class_that_it_cannot_tell(here):
    (here / "unclear.csv").write_text(TABLE.replace("vip", "n") + "".join(f"1,1,hi,{n}\n" for n in range(2, 14)) * 2)
    answer = run("init", "unclear.csv", "--out", "y.yaml")
    assert answer.exit_code == 2
    assert answer.stderr.startswith("makeweight: ")
    assert "which column is the class? name it with --label:\n" in answer.stderr
    assert "  income   2 classes: hi (104), lo (10)\n" in answer.stderr
    assert not (here / "y.yaml").exists()
    told = json.loads(run("init", "unclear.csv", "--out", "y.yaml", "--json").stdout)
    assert (told["exit_code"], "income" in told["error"]) == (2, True)


def test_init_takes_split_format_and_annotations(here):
    for split, rows in (("train", 4), ("test", 2)):
        (here / "halves" / split).mkdir(parents=True)
        (here / "halves" / split / "data.rows").write_text("x,y\n" + "1,a\n2,b\n" * rows)
        for name in "ab":
            (here / "halves" / split / f"{name}.json").write_text("{}")
    told = json.loads(run("init", "halves", "--format", "csv", "--out", "h.yaml", "--json").stdout)
    assert "no data files" in told["error"]
    for file in (here / "halves").rglob("data.rows"):
        file.rename(file.with_suffix(".csv"))
    told = json.loads(run("init", "halves", "--format", "csv", "--split", "test", "--out", "h.yaml", "--json").stdout)
    assert (told["rows"], load_spec("h.yaml")[0].source.split, told["format"]) == (4, "test", "csv")
    answer = run("init", "halves", "--format", "coco", "--annotations", "train/a.json", "--annotations", "c.json")
    assert (answer.exit_code, "source.annotations: there is no 'c.json'" in answer.stderr) == (2, True)


def test_init_says_what_it_found_and_what_is_next(here):
    answer = run("init", "people.csv", "--label", "income", "--out", "told.yaml")
    assert answer.exit_code == 0, answer.output
    for text in (
        "people.csv: 90 rows, tabular, csv",
        "class    income: hi (80), lo (10)",
        "vip   2 classes: 0 (45), 1 (45)",
        "written  told.yaml",
        "next     makeweight plan told.yaml",
    ):
        assert text in answer.stdout
    plan = run("plan", "told.yaml", "--json")
    assert [(s["name"], s["real"]) for s in json.loads(plan.stdout)["strata"]] == [("hi", 80), ("lo", 10)]
    again = run("init", "people.csv", "--label", "income", "--out", "told.yaml")
    assert (again.exit_code, "told.yaml exists already and is not overwritten" in again.stderr) == (2, True)
    told = json.loads(run("init", "people.csv", "--label", "vip", "--out", "vip.yaml", "--json").stdout)
    assert (told["label"], told["classes"]) == ("vip", {"0": 45, "1": 45})
    assert told["candidates"] == {"income": {"hi": 80, "lo": 10}}
    assert told["next"][1] == "makeweight build vip.yaml"


def test_ls_lists_builds(here, built):
    lines = run("ls").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["complete", "complete"]
    assert "160 rows  2 classes" in lines[0]
    assert [line.split()[-1] for line in lines] == ["out/1", "out/2"]
    told = json.loads(run("ls", "out/2", str(here / "out" / "1"), "--json").stdout)
    assert [one["path"] for one in told] == [str(here / "out" / "2"), str(here / "out" / "1")]
    assert told[1]["classes"] == {"hi": 80, "lo": 80}
    assert told[1]["content_hash"] == built[0].content_hash
    os.mkdir("nothing")
    assert run("ls", "nothing").stdout == "no builds here\n"
    assert run("ls", "none").exit_code == 2


def test_diff_compares_builds(here, built):
    same = run("diff", "out/1", "out/1")
    assert (same.exit_code, same.stdout.splitlines()[0]) == (0, "the same rows, in the same order")
    differs = run("diff", "out/1", "out/2")
    assert differs.exit_code == 0
    for text in ("different\n", "seed: 1 → 2\n", "2 classes have the same counts\n", "real rows: 90 same, 0 added"):
        assert text in differs.stdout
    told = json.loads(run("diff", "out/1", "out/2", "--json").stdout)
    assert (told["same"], told["rows"]["real"]["same"]) == (False, 90)
    assert json.loads(run("diff", "out/1", "out/1", "--json").stdout)["same"] is True
    assert run("diff", "out/1", "out").exit_code == 2


def test_catalogues_find_what_a_dataset_holds(here, built, tmp_path):
    import datasets

    loaded = datasets.load_dataset(str(here / "out" / "1"), cache_dir=str(tmp_path))
    assert {split: rows.num_rows for split, rows in loaded.items()} == {"train": 80, "test": 80}
    assert loaded["train"].features["age"].dtype == "int64"
    description = json.loads((here / "out" / "1" / "croissant.json").read_text())
    hashes = [one["sha256"] for one in description["distribution"] if "sha256" in one]
    assert hashes == [shard.sha256 for shard in built[0].shards]
    for shard in built[0].shards:
        metadata = pq.read_schema(here / "out" / "1" / shard.path).metadata
        says = json.loads(metadata[b"makeweight"])
        expected = {"name": "people-balanced", "origin": built[0].origin, "generator": "resample"}
        assert says == expected | {"contains_synthetic": True}


def test_the_shell_completes_commands():
    words = {"_MAKEWEIGHT_COMPLETE": "complete_bash", "COMP_WORDS": "makeweight v", "COMP_CWORD": "1"}
    assert run(env=words, prog_name="makeweight").stdout.split() == ["validators", "verify"]
    assert "--install-completion" in run("--help").stdout
