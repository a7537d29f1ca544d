"""Versions: a source that grew costs what is new, and everything else stays; readers never see a mix."""

import json
import random
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from PIL import Image

from flows.build import build
from flows.progress import Listener, listen
from pipelines.dataset.verify import verify
from pipelines.dataset.versions import find_dataset, plan_build
from pipelines.plan.version_notes import planned_succession
from schemas.errors import OutputError, SpecError
from schemas.spec import Spec, parse
from tests.in_process import without_engines

OLD = 560
"""Rows of the table that the first version is built of."""


class Series:
    """A source that can be written anew, and specs that build versions from it."""

    def __init__(self, folder):
        self.path, self.output = folder / "payments.csv", folder / "out"

    def write(self, table):
        pc.write_csv(table, self.path)

    def spec(self, rule=(), **parts) -> Spec:
        data = {
            "name": "payments",
            "seed": 3,
            "source": {"path": str(self.path), "label": "label"},
            "balance": {"at_least": 300},
            "generator": {"name": "smote", "actors": 2, "chunk_rows": 50},
            "validate": ["schema", "duplicates", "label_agreement"],
            "output": {"path": str(self.output), "versions": dict(rule)},
        }
        return parse(Spec, data | parts)


@pytest.fixture(scope="module")
def table(source):
    return pc.read_csv(source)


@pytest.fixture(scope="module")
def begun(table, tmp_path_factory):
    """The folder of a series of one version, and that version's manifest."""
    series = Series(tmp_path_factory.mktemp("begun"))
    series.write(table.slice(0, OLD))
    with without_engines():
        return series.path.parent, build(series.spec())


@pytest.fixture
def first(begun):
    return begun[1]


@pytest.fixture
def series(begun, tmp_path):
    """A copy of that series, whose source has grown since."""
    shutil.copytree(begun[0], tmp_path / "series")
    return Series(tmp_path / "series")


def rows(series, version):
    return pa.concat_tables(pq.read_table(f) for f in sorted((series.output / version / "data").glob("*.parquet")))


def made(table):
    return table.filter(pa.compute.not_equal(table["_origin"], "real"))


def by_id(table, columns):
    picked = table.select(["_id", *columns]).to_pylist()
    return {row["_id"]: row for row in picked}


VALUES = ["amount", "visits", "region", "label", "_origin", "_generator", "_seed", "_parent"]


@pytest.mark.usefixtures("in_process")
def test_a_source_that_grew_keeps_what_was_made(series, table, first):
    series.write(pa.concat_tables([table.slice(0, 100), table.slice(OLD), table.slice(100, OLD - 100)]))
    second = build(series.spec())
    assert (first.version, second.version, second.base.version) == (1, 2, "v00001")
    assert second.base.anew is second.base.refitted is None
    assert second.model_fingerprint == first.model_fingerprint
    assert second.counts["fraud"].synthetic + second.counts["fraud"].real == 300
    old, new = (by_id(made(rows(series, version)), VALUES) for version in ("v00001", "v00002"))
    assert new.keys() <= old.keys()
    assert len(new) == second.base.carried["fraud"] == second.counts["fraud"].synthetic
    assert all(old[one] == row for one, row in new.items())
    assert second.attempts["fraud"] == 0, "fewer were needed than there were"
    reals = [by_id(rows(series, v), ["amount", "customer_id"]) for v in ("v00001", "v00002")]
    assert all(reals[1][one] == row for one, row in reals[0].items() if one.startswith("real"))
    assert len(rows(series, "v00002")["customer_id"].unique()) == second.rows, "ids are new where real rows took them"
    assert verify(str(series.output / "v00002")).problems == []
    assert find_dataset(str(series.output)).path == str(series.output / "v00002")
    assert build(series.spec()) == second, "nothing is new: no version is published"
    assert "v00002 is just this, and complete" in planned_succession(plan_build(series.spec()))[0]
    import datasets

    loaded = datasets.load_dataset(str(series.output), cache_dir=str(series.output.with_name("cache")))
    assert loaded["train"].num_rows == second.rows, "the newest version alone"


@pytest.mark.usefixtures("in_process")
def test_only_what_is_missing_is_made(series, first):
    more = series.spec(balance={"at_least": 330})
    assert plan_build(more).base.anew is None
    second = build(more)
    assert second.counts["fraud"].real + second.counts["fraud"].synthetic == 330
    assert second.base.carried["fraud"] == first.counts["fraud"].synthetic
    assert 30 <= second.attempts["fraud"] <= 100
    new = made(rows(series, "v00002"))["_id"].to_pylist()
    assert sum(one.startswith("made-v00002-") for one in new) == 30
    assert len(set(new)) == len(new)


class Stop(Listener):
    def __init__(self, at):
        self.at = at

    def step(self, name):
        if name == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "at", [pytest.param("fit", marks=pytest.mark.slow), "write", pytest.param("report", marks=pytest.mark.slow)]
)
@pytest.mark.usefixtures("engine")
def test_a_version_is_the_same_whatever_the_actors_the_place_and_a_stop(series, table, tmp_path, at):
    series.write(table)
    shutil.copytree(series.output.parent, tmp_path / "elsewhere")
    other, balance = Series(tmp_path / "elsewhere"), {"at_least": 400}
    with without_engines():
        calm = build(other.spec(balance=balance))
    with listen(Stop(at)), pytest.raises(KeyboardInterrupt):
        build(series.spec(balance=balance))
    assert find_dataset(str(series.output)).path.endswith("v00001"), "readers see what is whole"
    assert build(series.spec(balance=balance)) == calm, "whole manifests: of two actors, and of one here"


@pytest.mark.usefixtures("in_process")
def test_a_source_that_lost_a_row_starts_anew(series, table):
    series.write(table.slice(1))
    second = build(series.spec())
    assert second.base.anew == "1 row(s) of its source are gone"
    assert second.base.carried == {}
    plain = build(series.spec(output={"path": str(series.output.with_name("plain"))}))
    assert second.content_hash == plain.content_hash, "a start is what a plain build is"


@pytest.mark.usefixtures("in_process")
def test_the_model_is_fitted_anew_once_the_source_has_grown_much_and_old_versions_go(series, table, first):
    rule = {"refit_after": 0.01, "keep": 1}
    series.write(table)
    second = build(series.spec(rule))
    assert second.base.refitted == "the source has grown by 7.1% since the last fit"
    assert second.model_fingerprint != first.model_fingerprint
    assert second.base.carried["fraud"] > 0
    hidden = series.output / ".makeweight"
    assert [p.name for p in series.output.glob("v*")] == [p.name for p in (hidden / "versions").iterdir()] == ["v00002"]
    assert {p.name.partition(".")[0] for p in (hidden / "models").iterdir()} == {second.model_fingerprint}
    assert json.loads((series.output / "latest.json").read_text()) == {"version": "v00002"}


@pytest.mark.usefixtures("in_process")
def test_a_kept_row_that_turned_out_real_is_made_anew(series, table):
    copied = made(rows(series, "v00001")).slice(0, 1).select(table.column_names)
    series.write(pa.concat_tables([table.slice(0, OLD), copied.cast(table.schema)]))
    second = build(series.spec(balance={"at_least": 320}))
    assert second.base.dropped["fraud"]["duplicates: copy of a real row"] == 1
    assert second.counts["fraud"].real + second.counts["fraud"].synthetic == 320


@pytest.mark.usefixtures("in_process")
def test_a_base_that_misses_a_shard_is_named(series, table):
    next((series.output / "v00001" / "data").glob("*.parquet")).unlink()
    series.write(table)
    with pytest.raises(OutputError, match=r"v00001: data/train-.* cannot be read: .*; restore it, or remove the whole"):
        build(series.spec())
    shutil.rmtree(series.output / "v00001")
    assert plan_build(series.spec()).base is None


@pytest.mark.usefixtures("in_process")
def test_what_versions_cannot_be_combined_with_is_refused(table, tmp_path, monkeypatch):
    series = Series(tmp_path)
    series.write(table)
    monkeypatch.setenv("KEY", "00" * 16)
    output = {"path": str(series.output), "versions": {}, "encryption_key_env": "KEY"}
    with pytest.raises(SpecError, match="nothing may lie beside an encrypted dataset; set it to false"):
        plan_build(series.spec(output=output))
    series.output.mkdir()
    (series.output / "README.md").write_text("mine")
    with pytest.raises(OutputError, match=r"is not empty \(it holds 'README.md'\)"):
        build(series.spec())


def fill_folders(folder, counts, names, suffix, save):
    """Save the files m00, m01, … of each class, and then those that are named."""
    for label, count in counts.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            save(folder / label / f"m{number:02}{suffix}")
    for name in names:
        save(folder / f"{name}{suffix}")


def pictures(folder, names):
    rng = np.random.default_rng(5)

    def save(path):
        Image.fromarray(rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)).save(path)

    fill_folders(folder, {"few": 8, "many": 20}, names, ".png", save)


WORDS = "win free prize cash claim now call text mobile urgent bonus reply winner award dinner tonight".split()  # noqa: SIM905


def texts(folder, names):
    rng = random.Random(1)

    def save(path):
        path.write_text(" ".join(rng.choices(WORDS, k=10)))

    fill_folders(folder, {"few": 12, "many": 30}, names, ".txt", save)


@pytest.mark.parametrize(
    ("write", "generator", "column"),
    [(pictures, "augment", "image"), pytest.param(texts, "edit", "text", marks=pytest.mark.slow)],
)
@pytest.mark.usefixtures("in_process")
def test_made_rows_keep_their_parents_though_new_rows_come_before_them(tmp_path, write, generator, column):
    def spec():
        return parse(
            Spec,
            {
                "name": "m",
                "source": {"path": str(tmp_path / "source"), "label": "label"},
                "generator": {"name": generator, "actors": 2, "chunk_rows": 8},
                "validate": ["duplicates"],
                "output": {"path": str(tmp_path / "out"), "versions": {}},
            },
        )

    write(tmp_path / "source", [])
    build(spec())
    write(tmp_path / "source", ["few/a0", "many/a0"])
    second = build(spec())
    assert second.base.anew is second.base.refitted is None
    tables = [pq.read_table(tmp_path / "out" / version / "data").to_pylist() for version in ("v00001", "v00002")]
    parents = [{row["_id"]: row[column] for row in table if row["_origin"] == "real"} for table in tables]
    kept = {row["_id"]: row for row in tables[0] if row["_origin"] != "real"}
    again = [row for row in tables[1] if row["_id"] in kept]
    assert len(again) == second.base.carried["few"] > 0
    for row in again:
        assert row[column] == kept[row["_id"]][column]
        assert parents[1][row["_parent"]] == parents[0][row["_parent"]]
    assert verify(str(tmp_path / "out")).problems == []
