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
from flows.progress import Listener, listening
from pipelines.plan import make_plan
from pipelines.verify import verify
from pipelines.versions import latest
from schemas.errors import OutputError, SpecError
from schemas.spec import Spec, parse

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def table(source):
    return pc.read_csv(source)


@pytest.fixture
def series(tmp_path):
    """Return what makes the spec of a series, and what writes its source."""

    class Series:
        path = tmp_path / "payments.csv"
        output = tmp_path / "out"

        def write(self, table):
            pc.write_csv(table, self.path)

        def spec(self, **parts) -> Spec:
            data = {
                "name": "payments",
                "seed": 3,
                "source": {"path": str(self.path), "label": "label"},
                "balance": {"at_least": 300},
                "generator": {"name": "smote", "actors": 2, "chunk_rows": 50},
                "validate": ["schema", "duplicates", "label_agreement"],
                "output": {"path": str(self.output), "versions": {"keep": 3}},
            }
            return parse(Spec, data | parts)

    return Series()


def rows(series, version):
    return pa.concat_tables(pq.read_table(f) for f in sorted((series.output / version / "data").glob("*.parquet")))


def made(table):
    return table.filter(pa.compute.not_equal(table["_origin"], "real"))


def by_id(table, columns):
    picked = table.select(["_id", *columns]).to_pylist()
    return {row["_id"]: row for row in picked}


VALUES = ["amount", "visits", "region", "label", "_origin", "_generator", "_seed", "_parent"]


def test_a_source_that_grew_keeps_what_was_made(series, table):
    series.write(table.slice(0, 560))
    first = build(series.spec())
    grown = pa.concat_tables([table.slice(0, 100), table.slice(560), table.slice(100, 460)])
    series.write(grown)  # the new rows come between
    second = build(series.spec())
    assert (first.version, second.version, second.base.version) == (1, 2, "v00001")
    assert second.base.anew is second.base.refitted is None
    assert second.model_fingerprint == first.model_fingerprint
    assert second.counts["fraud"].synthetic + second.counts["fraud"].real == 300
    old, new = made(rows(series, "v00001")), made(rows(series, "v00002"))
    kept = by_id(old, VALUES).keys() & by_id(new, VALUES).keys()
    assert len(kept) == second.base.carried["fraud"] == second.counts["fraud"].synthetic
    assert all(by_id(old, VALUES)[one] == by_id(new, VALUES)[one] for one in kept)
    assert second.attempts["fraud"] == 0, "fewer were needed than there were"
    reals = [by_id(rows(series, v), ["amount", "customer_id"]) for v in ("v00001", "v00002")]
    assert all(reals[1][one] == row for one, row in reals[0].items() if one.startswith("real"))
    assert len(rows(series, "v00002")["customer_id"].unique()) == second.rows, "ids are new where real rows took them"
    assert verify(str(series.output / "v00002")).problems == []
    assert latest(str(series.output)).path == str(series.output / "v00002")
    assert build(series.spec()) == second, "nothing is new: no version is published"
    import datasets

    loaded = datasets.load_dataset(str(series.output), cache_dir=str(series.output.with_name("cache")))
    assert loaded["train"].num_rows == second.rows, "the newest version alone"


def test_only_what_is_missing_is_made(series, table):
    series.write(table.slice(0, 560))
    first = build(series.spec())
    more = series.spec(balance={"at_least": 330})
    assert make_plan(more).base.anew is None
    second = build(more)
    assert second.counts["fraud"].real + second.counts["fraud"].synthetic == 330
    assert second.base.carried["fraud"] == first.counts["fraud"].synthetic
    assert 30 <= second.attempts["fraud"] <= 100
    new = made(rows(series, "v00002"))["_id"].to_pylist()
    assert sum(one.startswith("made-v00002-") for one in new) == 30
    assert len(set(new)) == len(new)


def test_a_version_is_the_same_whatever_the_actors_and_the_place(series, table, tmp_path):
    series.write(table.slice(0, 560))
    build(series.spec())
    shutil.copytree(series.output, tmp_path / "elsewhere")
    series.write(table)
    more = {"balance": {"at_least": 400}}
    one = build(series.spec(**more))
    generator = {"name": "smote", "actors": 1, "chunk_rows": 50}
    other = build(
        series.spec(**more, generator=generator, output={"path": str(tmp_path / "elsewhere"), "versions": {"keep": 3}})
    )
    assert one == other, "whole manifests"


def test_a_source_that_lost_a_row_starts_anew(series, table):
    series.write(table)
    build(series.spec())
    series.write(table.slice(1))
    second = build(series.spec())
    assert second.base.anew == "1 row(s) of its source are gone"
    assert second.base.carried == {}
    plain = build(series.spec(output={"path": str(series.output.with_name("plain"))}))
    assert second.content_hash == plain.content_hash, "a start is what a plain build is"


def test_the_model_is_fitted_anew_once_the_source_has_grown_much(series, table):
    series.write(table.slice(0, 400))
    first = build(series.spec())
    series.write(table)
    second = build(series.spec())
    assert second.base.refitted == "the source has grown by 50.0% since the last fit"
    assert second.model_fingerprint != first.model_fingerprint
    assert second.base.carried["fraud"] > 0


def test_old_versions_go_with_their_models_and_the_newest_stays(series, table):
    for number in range(4):
        series.write(table.slice(0, 300 + 100 * number))
        build(series.spec(output={"path": str(series.output), "versions": {"keep": 2, "refit_after": 0.0}}))
    assert sorted(p.name for p in series.output.glob("v*")) == ["v00003", "v00004"]
    kept = sorted(p.name for p in (series.output / ".makeweight" / "versions").iterdir())
    assert kept == ["v00003", "v00004"]
    models = {p.name.partition(".")[0] for p in (series.output / ".makeweight" / "models").iterdir()}
    assert len(models) == 2
    assert json.loads((series.output / "latest.json").read_text()) == {"version": "v00004"}


def test_a_kept_row_that_turned_out_real_is_made_anew(series, table):
    series.write(table.slice(0, 560))
    build(series.spec())
    copied = made(rows(series, "v00001")).slice(0, 1).select(table.column_names)
    grown = pa.concat_tables([table.slice(0, 560), copied.cast(table.schema)])
    series.write(grown)
    second = build(series.spec(balance={"at_least": 320}))
    assert second.base.dropped["fraud"]["duplicates: copy of a real row"] == 1
    assert second.counts["fraud"].real + second.counts["fraud"].synthetic == 320


class Stop(Listener):
    def __init__(self, at):
        self.at = at

    def step(self, name):
        if name == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("at", ["fit", "write", "report"])
def test_a_top_up_that_was_stopped_goes_on_to_the_same_bytes(series, table, tmp_path, at):
    series.write(table.slice(0, 560))
    build(series.spec())
    shutil.copytree(series.output, tmp_path / "whole")
    series.write(table)
    whole = build(series.spec(output={"path": str(tmp_path / "whole"), "versions": {"keep": 3}}))
    with listening(Stop(at)), pytest.raises(KeyboardInterrupt):
        build(series.spec())
    assert latest(str(series.output)).path.endswith("v00001"), "readers see what is whole"
    assert build(series.spec()) == whole


def test_a_base_that_misses_a_shard_is_named(series, table):
    series.write(table.slice(0, 560))
    build(series.spec())
    next((series.output / "v00001" / "data").glob("*.parquet")).unlink()
    series.write(table)
    with pytest.raises(OutputError, match=r"v00001: data/train-.* cannot be read: .*; restore it, or remove the whole"):
        build(series.spec())
    shutil.rmtree(series.output / "v00001")
    assert build(series.spec()).base is None


def test_what_versions_cannot_be_combined_with_is_refused(series, table, monkeypatch):
    series.write(table)
    monkeypatch.setenv("KEY", "00" * 16)
    output = {"path": str(series.output), "versions": {}, "encryption_key_env": "KEY"}
    with pytest.raises(SpecError, match="nothing may lie beside an encrypted dataset; set it to false"):
        make_plan(series.spec(output=output))
    series.output.mkdir()
    (series.output / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"is not empty \(it holds 'notes.txt'\)"):
        build(series.spec())


def pictures(folder, names):
    rng = np.random.default_rng(5)

    def save(path):
        Image.fromarray(rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)).save(path)

    for label, count in (("few", 8), ("many", 20)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            save(folder / label / f"m{number:02}.png")
    for name in names:
        save(folder / f"{name}.png")


WORDS = "win free prize cash claim now call text mobile urgent bonus reply winner award dinner tonight"


def texts(folder, names):
    rng = random.Random(1)

    def save(path):
        path.write_text(" ".join(rng.choices(WORDS.split(), k=10)))

    for label, count in (("few", 12), ("many", 30)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            save(folder / label / f"m{number:02}.txt")
    for name in names:
        save(folder / f"{name}.txt")


@pytest.mark.parametrize(("write", "generator", "column"), [(pictures, "augment", "image"), (texts, "edit", "text")])
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
