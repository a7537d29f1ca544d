"""The Croissant file says what the manifest says, and the reference implementation reads every column by it."""

import hashlib
import json
import logging
from datetime import date, datetime
from fnmatch import fnmatch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.report.croissant import render_croissant
from schemas.arrow import IMAGE, OBJECTS, dataset_schema
from schemas.manifest import Shard
from schemas.plan import Column
from tests.pipelines.report.test_card import make_manifest

ODD = 'a/b "c" <é> #1%'


def dataset(folder, columns):
    """Write columns (name: (type, values)) in two shards of one split and one of another; return the manifest."""
    described = [Column(name=name, type=kind) for name, (kind, _) in columns.items()]
    rows = len(next(iter(columns.values()))[1])
    made = {
        "_id": [f"made-0-{n}" for n in range(rows)],
        "_origin": ["synthetic"] * rows,
        "_generator": ["ctgan"] * rows,
        "_seed": [7] * rows,
        "_parent": [None] * rows,
    }
    table = pa.table({name: values for name, (_, values) in columns.items()} | made, schema=dataset_schema(described))
    (folder / "data").mkdir()
    shards = []
    for split, number, start, stop in (("train", 0, 0, 1), ("train", 1, 1, 2), ("test", 0, 2, rows)):
        path = f"data/{split}-0000{number}-of-00002.parquet"
        pq.write_table(table.slice(start, stop - start), folder / path)
        data = (folder / path).read_bytes()
        shards.append(
            Shard(path=path, split=split, rows=stop - start, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        )
    return make_manifest(columns=described, shards=shards)


def test_files_and_fields():
    manifest = make_manifest(columns=[Column(name="age", type="int64"), Column(name=ODD, type="string")])
    data = json.loads(render_croissant(manifest))
    files = [one for one in data["distribution"] if one["@type"] == "cr:FileObject"]
    assert [(one["contentUrl"], one["sha256"]) for one in files] == [(s.path, s.sha256) for s in manifest.shards]
    patterns = {one["@id"]: one["includes"] for one in data["distribution"] if one["@type"] == "cr:FileSet"}
    assert set(patterns) == {"train-shards", "test-shards"}
    for shard in manifest.shards:
        assert [name for name, pattern in patterns.items() if fnmatch(shard.path, pattern)] == [f"{shard.split}-shards"]
    train, test = data["recordSet"]
    names = ["age", ODD, "_id", "_origin", "_generator", "_seed", "_parent"]
    for records in (train, test):
        assert [field["name"] for field in records["field"]] == names
        assert [field["source"]["extract"]["column"] for field in records["field"]] == names
    ids = [field["@id"] for records in (train, test) for field in records["field"]]
    assert len(set(ids)) == len(ids)
    assert ids[0] == "train/age"
    assert "16,879 of them are synthetic: made by ctgan, not observed" in data["description"]
    assert "synthetic" in data["keywords"]
    assert render_croissant(manifest) == render_croissant(manifest)


def test_an_encrypted_dataset_has_files_and_no_records():
    data = json.loads(render_croissant(make_manifest(encryption_key_env="KEY")))
    assert data["recordSet"] == []
    assert len(data["distribution"]) == 5


def read(folder, manifest, caplog):
    """Return the records of each split, as the reference implementation reads them."""
    croissant = pytest.importorskip("mlcroissant")
    (folder / "croissant.json").write_text(render_croissant(manifest))
    with caplog.at_level(logging.WARNING):
        found = croissant.Dataset(jsonld=str(folder / "croissant.json"))
    assert not found.metadata.issues.errors
    known = ("citeAs", "datePublished", "license", "version")  # what a manifest cannot tell
    assert all(any(name in issue for name in known) for issue in found.metadata.issues.warnings)
    assert "not standard" not in caplog.text
    return {split: list(found.records(split)) for split in ("train", "test")}


def test_tables_are_read_by_it(tmp_path, caplog):
    columns = {
        "age": ("int64", [1, None, 3, 4]),
        "score": ("double", [0.5, 1.5, None, 2.5]),
        "old": ("bool", [True, False, None, True]),
        "born": ("date32[day]", [date(2020, 1, 2), None, date(1969, 5, 6), None]),
        "seen": ("timestamp[us]", [datetime(2020, 1, 2, 3, 4, 5), None, None, None]),
        ODD: ("string", ["x", "é<&>", None, ""]),
    }
    found = read(tmp_path, dataset(tmp_path, columns), caplog)
    assert [len(rows) for rows in found.values()] == [2, 2]
    first, second = found["train"]
    assert (first["train/age"], first["train/score"], first["train/old"]) == (1, 0.5, True)
    assert (str(first["train/born"])[:10], str(first["train/seen"])) == ("2020-01-02", "2020-01-02 03:04:05")
    odd = next(name for name in first if name.startswith("train/a%2Fb"))
    assert (first[odd], second[odd]) == (b"x", "é<&>".encode())
    assert found["test"][1]["test/_origin"] == b"synthetic"
    assert not second["train/age"] or second["train/age"] != second["train/age"], "null"


def test_images_and_what_is_marked_in_them(tmp_path, caplog):
    from tests.pipelines.plan.test_propose import png

    images = [{"bytes": png(n), "path": f"{n}.png"} for n in range(4)]
    objects = [[{"bbox": [1.0, 2.0, 3.0, 4.0], "category": "cell"}], [], None, []]
    columns = {"photo": ("image", pa.array(images, IMAGE)), "objects": ("objects", pa.array(objects, OBJECTS))}
    found = read(tmp_path, dataset(tmp_path, columns), caplog)
    assert [row["train/photo"].size for row in found["train"]] == [(8, 8), (8, 8)]
    [cell] = found["train"][0]["train/objects"]
    assert cell == {"train/objects/bbox": [1.0, 2.0, 3.0, 4.0], "train/objects/category": b"cell"}
    assert found["train"][1]["train/objects"] == []
