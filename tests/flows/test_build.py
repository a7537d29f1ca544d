"""A build from source to published dataset, on real Ray and real Prefect: exact, reproducible, resumable, honest."""

import json
import os
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from flows.build import build
from flows.progress import Listener, listen
from pipelines.dataset.verify import verify
from schemas.arrow import dataset_schema
from schemas.errors import OutputError, ShortfallError
from tests.in_process import without_engines
from tests.machine import s3_bucket, small_disk


def read(manifest, spec):
    return pq.read_table([os.path.join(spec.output.path, shard.path) for shard in manifest.shards])


def counts(table, *by):
    grouped = table.group_by(list(by)).aggregate([([], "count_all")])
    return {tuple(row[name] for name in by): row["count_all"] for row in grouped.to_pylist()}


@pytest.mark.usefixtures("engine")
def test_every_class_has_exactly_its_target_and_every_row_says_where_it_came_from(make_spec, source):
    from prefect.artifacts import Artifact

    spec = make_spec(generator={"name": "smote"})
    manifest = build(spec)
    table = read(manifest, spec)
    real = pa.csv.read_csv(source)
    assert counts(table, "label") == {("fair",): counts(real, "label")[("fair",)]} | {
        ("fraud",): counts(real, "label")[("fair",)]
    }
    assert table.schema.equals(dataset_schema(manifest.columns))
    assert len(set(table["_id"].to_pylist())) == table.num_rows
    assert sorted(table.filter(pc.field("_origin") == "real")["customer_id"].to_pylist()) == list(range(1000, 1600))
    made = table.filter(pc.field("_origin") == "synthetic")
    assert set(made["_generator"].to_pylist()) == {"smote"}
    assert made["_seed"].null_count == 0
    assert min(made["customer_id"].to_pylist()) >= 1600, "ids are made anew, never a real one's"
    assert set(made["currency"].to_pylist()) == {"EUR"}
    assert len(set(table["customer_id"].to_pylist())) == table.num_rows
    assert verify(spec.output.path).problems == []
    shown = json.loads(Artifact.get("payments-class-counts").data)
    assert {row["class"]: row["target"] for row in shown} == {"fair": 539, "fraud": 539}
    assert f"file://{spec.output.path}/report.html" in Artifact.get("payments-report").data, "Prefect links to it"


@pytest.mark.usefixtures("engine")
def test_the_bytes_do_not_depend_on_the_number_of_actors_nor_on_the_folder(make_spec):
    def parts(actors):
        return {"generator": {"name": "smote", "actors": actors, "chunk_rows": 40}}

    manifests = [build(make_spec(f"with{actors}", **parts(actors))) for actors in (2, 4)]
    with without_engines():
        manifests.append(build(make_spec("alone", **parts(1))))
        seeded = build(make_spec("seed", seed=1, **parts(1)))
    assert len({m.content_hash for m in manifests}) == 1
    assert len({m.model_dump_json() for m in manifests}) == 1, (
        "manifests agree in every byte: shards, attempts, reasons"
    )
    assert seeded.content_hash != manifests[0].content_hash


@pytest.mark.usefixtures("in_process")
def test_joint_strata_down_sampling_and_splits(make_spec):
    spec = make_spec(
        balance={"target": 60, "by": ["label", "region"]},
        output={"path": make_spec().output.path, "splits": {"train": 0.75, "test": 0.25}},
    )
    manifest = build(spec)
    table = read(manifest, spec)
    assert set(counts(table, "label", "region").values()) == {60}
    assert len(counts(table, "label", "region")) == 6
    assert {(s.split, s.rows) for s in manifest.shards} == {("train", 270), ("test", 90)}
    kept = manifest.counts["fair | north"]
    assert (kept.real, kept.synthetic) == (60, 0)
    assert verify(spec.output.path).problems == []


@pytest.mark.usefixtures("in_process")
def test_a_complete_build_is_not_built_again(make_spec):
    spec = make_spec()
    first = build(spec)
    shard = Path(spec.output.path) / first.shards[0].path
    before = shard.stat().st_mtime_ns
    assert build(spec) == first
    assert shard.stat().st_mtime_ns == before


@pytest.mark.usefixtures("in_process")
def test_another_build_is_refused_unless_it_may_replace(make_spec):
    first = build(make_spec())
    other = make_spec(seed=5)
    with pytest.raises(OutputError, match="holds another build .'payments'.*of another spec.*--replace"):
        build(other)
    replaced = build(other, replace=True)
    assert replaced.content_hash != first.content_hash
    assert verify(other.output.path).problems == []


@pytest.mark.usefixtures("in_process")
def test_a_folder_with_something_else_is_refused(make_spec):
    spec = make_spec()
    Path(spec.output.path).mkdir()
    (Path(spec.output.path) / "thesis.tex").write_text("years of work")
    with pytest.raises(
        OutputError,
        match="is not empty .it holds 'thesis.tex'.*move that elsewhere, or give an empty or new output.path",
    ):
        build(spec)


@pytest.mark.usefixtures("in_process")
def test_a_shortfall_publishes_nothing_and_a_larger_budget_goes_on(make_spec):
    parts = {"generator": {"name": "resample", "chunk_rows": 50}, "budget": {"attempts_per_row": 2}}
    with pytest.raises(ShortfallError) as caught:
        build(make_spec(**parts))
    message = str(caught.value)
    assert "class 'fraud': 0 of " in message
    assert "rows accepted after 2 attempts a row (duplicates" in message
    assert "rejected 100%); raise budget.attempts_per_row or choose another generator" in message
    output = Path(make_spec().output.path)
    assert not (output / "manifest.json").exists()
    assert not (output / "data").exists()
    staged = list(output.glob(".makeweight/work-*/staged/*/*.rows.arrow"))
    stamps = {path: path.stat().st_mtime_ns for path in staged}
    with pytest.raises(ShortfallError, match="after 3 attempts"):
        build(make_spec(**(parts | {"budget": {"attempts_per_row": 3}})))
    assert {path: path.stat().st_mtime_ns for path in staged} == stamps, "staged chunks are not made again"


class KillActors(Listener):
    """Kills the actors' processes when the first chunk was accepted."""

    def __init__(self):
        self.killed = 0

    def filled(self, progress):
        if not self.killed:
            import psutil

            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.NoSuchProcess):  # others come and go meanwhile
                    if any("ray::GeneratorActor" in part for part in process.cmdline()):
                        process.kill()
                        self.killed += 1


@pytest.mark.usefixtures("engine")
def test_dead_actors_cost_nothing_but_time(make_spec):
    parts = {"generator": {"name": "smote", "actors": 2, "chunk_rows": 8}}
    with without_engines():
        expected = build(make_spec("calm", **parts))
    killer = KillActors()
    with listen(killer):
        manifest = build(make_spec("stormy", **parts))
    assert killer.killed >= 1
    assert manifest == expected


@pytest.mark.usefixtures("in_process")
def test_a_fitted_model_is_used_again(make_spec):
    spec = make_spec()
    build(spec)
    models = list(Path(spec.output.path).glob(".makeweight/models/*/fitted.json"))
    stamp = models[0].stat().st_mtime_ns
    build(make_spec(balance={"target": 700}), replace=True)
    assert [path.stat().st_mtime_ns for path in models] == [stamp]


class Ears(Listener):
    """Keeps what was said to be made again."""

    def __init__(self):
        self.heard = []

    def noted(self, what):
        self.heard.append(what)


@pytest.mark.usefixtures("in_process")
def test_a_changed_model_is_fitted_again_and_that_is_told(make_spec):
    build(make_spec())
    model = next(Path(make_spec().output.path).glob(".makeweight/models/*/cheap.json"))
    whole = model.read_bytes()
    model.write_bytes(whole + b"x")
    with listen(ears := Ears()):
        build(make_spec(balance={"target": 700}), replace=True)
    assert ears.heard == [f"{model} is damaged; a fitted model is made again"]
    assert model.read_bytes() == whole


@pytest.mark.usefixtures("in_process")
def test_no_rows_to_make_needs_no_model(make_spec):
    spec = make_spec(balance={"target": "smallest"})
    manifest = build(spec)
    assert len(set(counts(read(manifest, spec), "label").values())) == 1
    assert manifest.model_fingerprint is None
    assert not list(Path(spec.output.path).glob(".makeweight/models/*"))


@pytest.mark.usefixtures("in_process")
def test_the_manifest_is_written_last_and_work_is_cleared(make_spec):
    spec = make_spec()
    build(spec)
    output = Path(spec.output.path)
    newest = max((p for p in output.rglob("*") if p.is_file()), key=lambda p: p.stat().st_mtime_ns)
    assert newest.name == "manifest.json"
    assert not list(output.glob(".makeweight/work-*"))
    assert json.loads(newest.read_text())["rejections"] is not None


@pytest.fixture
def disk(tmp_path):
    """A file system of 2 MB."""
    with small_disk(tmp_path / "small", "2m") as place:
        yield place


@pytest.mark.usefixtures("in_process")
def test_a_full_disk_is_told_and_the_build_goes_on_once_there_is_room(make_spec, disk):
    ballast = disk / "out" / ".makeweight" / "ballast"
    ballast.parent.mkdir(parents=True)
    spec = make_spec(output={"path": str(disk / "out"), "shard_rows": 400})
    ballast.write_bytes(b"x" * 1_900_000)
    with pytest.raises(OutputError, match="the disk is full; make room and run the same command again"):
        build(spec)
    assert not (disk / "out" / "manifest.json").exists()
    ballast.unlink()
    build(spec)
    assert verify(spec.output.path).problems == []


@pytest.fixture
def bucket():
    """A bucket on a real S3 server on this machine, as a URI."""
    with s3_bucket("hush") as made:
        yield made


@pytest.mark.usefixtures("in_process")
def test_source_and_output_on_an_object_store(make_spec, source, bucket):
    uri, client = bucket
    client.put_object(Bucket="data", Key="payments.csv", Body=source.read_bytes())
    local = build(make_spec())
    spec = make_spec(
        source={"path": uri.format("payments.csv"), "label": "label"},
        output={"path": uri.format("out"), "shard_rows": 400},
    )
    manifest = build(spec)
    assert manifest.content_hash == local.content_hash
    assert manifest.shards == local.shards
    assert verify(spec.output.path).problems == []
    keys = [item["Key"] for item in client.list_objects_v2(Bucket="data", Prefix="out/")["Contents"]]
    assert "out/manifest.json" in keys
    assert not [key for key in keys if "work-" in key]
    for key in ("out/manifest.json", "out/report.html", "out/README.md"):
        assert b"hush" not in client.get_object(Bucket="data", Key=key)["Body"].read()
    assert build(spec) == manifest, "a complete build is found again"
