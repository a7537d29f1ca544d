"""A source that changes between plan and copy, or while it is copied: one sentence, and no copy that looks done."""

import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipelines.plan.planning import make_plan
from pipelines.source import read_source
from pipelines.source.hashed_reading import BLOCK
from pipelines.source.ingest import FILES, ingest
from pipelines.source.tabular import delimited
from pipelines.source.tabular import parquet as parquet_files
from pipelines.storage.folder import Folder
from schemas.errors import SourceError
from schemas.spec import Spec, parse
from tests.machine import s3_bucket

REFUSED = "the source changed while it was read: .*; run the same command again"


def write_image(path, seed):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)).save(path)


def rows(classes):
    return pa.table({"label": classes, "x": np.arange(len(classes)) / 7})


def spec_of(path, **parts):
    data = {
        "name": "changing",
        "source": {"path": str(path), "label": "label", **parts.pop("source", {})},
        "balance": {"target": "smallest"},
        "generator": {"name": "resample"} | parts.pop("generator", {}),
        "output": {"path": "out"},
    }
    return parse(Spec, data | parts)


def csv(folder, *, odd=False, name="rows.csv"):
    pa.csv.write_csv(rows(["a", "b"] * 30 if odd else ["a", "a", "b"] * 20), folder / name)


def tsv_gz(folder, *, odd=False, name="rows.tsv.gz"):
    lines = ["label\tx", *(f"{'b' if odd and n == 8 else 'ab'[n % 2]}\t{n / 7}" for n in range(40))]
    with pa.output_stream(str(folder / name), compression="gzip") as stream:
        stream.write("\n".join(lines).encode())


def jsonl(folder, *, odd=False, name="rows.jsonl"):
    labels = ["a", "b"] * 20 if odd else ["a", "a", "b", "b"] * 10
    (folder / name).write_text("".join(json.dumps({"label": la, "x": n / 7}) + "\n" for n, la in enumerate(labels)))


def parquet(folder, *, odd=False, name="rows.parquet"):
    labels = ["a", "b"] * 20 if odd else ["a", "a", "b", "b"] * 10
    pq.write_table(rows(labels), folder / name, row_group_size=10, compression="none")


def texts(folder, *, odd=False, name="a/9.txt"):
    for at in range(6):
        path = folder / "ab"[at % 2] / f"{at}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"text number {at if not odd else at + 1}")
    if name != "a/9.txt":
        (folder / name).write_text("one more text")


def images(folder, *, odd=False, name="a/9.png"):
    for at in range(4):
        write_image(folder / "ab"[at % 2] / f"{at}.png", seed=at + 10 * odd)
    if name != "a/9.png":
        write_image(folder / name, seed=99)


def voc(folder, *, odd=False, name=None):
    for at in range(4):
        write_image(folder / f"{at}.png", seed=at)
        category = "cat" if (at + odd) % 2 else "dog"
        box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox>"
        (folder / f"{at}.xml").write_text(f"<annotation><object><name>{category}</name>{box}</object></annotation>")
    if name:
        write_image(folder / name, seed=99)


FORMATS = {
    "csv": (csv, "rows.csv", "more.csv", {}),
    "tsv": (tsv_gz, "rows.tsv.gz", "more.tsv.gz", {}),
    "jsonl": (jsonl, "rows.jsonl", "more.jsonl", {}),
    "parquet": (parquet, "rows.parquet", "more.parquet", {}),
    "texts": (texts, "a/2.txt", "b/more.txt", {}),
    "images": (images, "a/2.png", "b/more.png", {}),
    "voc": (voc, "2.xml", "more.png", {"source": {"label": "category"}}),
}


def replace(path):
    """Put another file of the same bytes but one in its place."""
    data = bytearray(path.read_bytes())
    data[-3 if path.suffix == ".txt" else len(data) // 2] ^= 1
    path.with_suffix(".tmp").write_bytes(data)
    os.replace(path.with_suffix(".tmp"), path)


def change(how, write, folder, one, more):
    """Change a source after the plan; `one` is a file of it, `more` the name of another one."""
    if how == "other rows":
        write(folder, odd=True)
    elif how == "one bit":
        replace(folder / one)
    elif how == "gone":
        (folder / one).unlink()
    elif how == "one more":
        write(folder, name=more)
    else:
        os.truncate(folder / one, (folder / one).stat().st_size // 2 if how == "cut in half" else 0)


@pytest.mark.parametrize("how", ["other rows", "one bit", "gone", "one more", "cut in half", "emptied"])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_source_that_changed_since_the_plan_is_refused_and_nothing_looks_copied(tmp_path, kind, how):
    write, one, more, parts = FORMATS[kind]
    source, copy = tmp_path / "source", Folder(str(tmp_path / "copy"))
    source.mkdir()
    write(source)
    spec = spec_of(source, **{key: dict(value) for key, value in parts.items()})
    plan = make_plan(spec)
    change(how, write, source, one, more)
    with pytest.raises(SourceError, match=REFUSED):
        ingest(spec.source, plan, copy)
    assert not copy.exists(FILES)
    write(source)  # as it was
    (source / more).unlink(missing_ok=True)
    ingest(spec.source, plan, copy)
    assert copy.exists(FILES)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_file_that_changes_while_the_one_before_is_read(tmp_path, kind):
    write, _, more, _ = FORMATS[kind]
    write(tmp_path)
    write(tmp_path, name=f"z{more}")
    plan = make_plan(spec := spec_of(tmp_path))
    tables = read_source(spec.source, plan.profile)
    next(tables)
    replace(tmp_path / f"z{more}")
    with pytest.raises(SourceError, match=REFUSED):
        list(tables)


def test_a_parquet_file_that_is_overwritten_while_it_is_read(tmp_path, monkeypatch):
    path, other = tmp_path / "rows.parquet", tmp_path / "other.parquet"
    numbers = np.random.default_rng(0).normal(size=300_000)
    for file, factor in ((path, 1.0), (other, -1.0)):
        table = pa.table({"label": np.where(numbers > 0, "a", "b"), "x": numbers * factor})
        pq.write_table(table, file, row_group_size=100_000, compression="none", use_dictionary=False)
    assert path.stat().st_size == other.stat().st_size > 2 * BLOCK
    plan = make_plan(spec := spec_of(path))
    sized = parquet_files._batch_rows

    def one_moment(metadata):
        with path.open("r+b") as stream:  # the same file, other bytes in it, once its end was read
            stream.write(other.read_bytes())
        return sized(metadata)

    monkeypatch.setattr(parquet_files, "_batch_rows", one_moment)
    with pytest.raises(SourceError, match=REFUSED):
        next(read_source(spec.source, plan.profile))


@pytest.mark.parametrize("rows_", [60, 200_000])
def test_a_header_that_is_not_of_the_file_whose_rows_are_read(tmp_path, monkeypatch, rows_):
    path, find_dialect = tmp_path / "rows.csv", delimited.find_dialect
    table = pa.table({"label": ["a", "b"] * (rows_ // 2), "other": ["b", "a", "a", "b"] * (rows_ // 4)})
    pa.csv.write_csv(table.append_column("x", pa.array(np.arange(rows_) / 7)), path)
    plan = make_plan(spec := spec_of(path))
    data = path.read_bytes()
    swapped = data.replace(b'"label","other"', b'"other","label"', 1)
    assert swapped != data

    def one_moment(files, name, source):
        found = find_dialect(files, name, source)
        path.write_bytes(data)  # it was another file for as long as its header was read
        return found

    path.write_bytes(swapped)
    monkeypatch.setattr(delimited, "find_dialect", one_moment)
    with pytest.raises(SourceError, match=REFUSED):
        list(read_source(spec.source, plan.profile))


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet"])
def test_an_object_that_changed_in_a_bucket(tmp_path, kind):
    write, one, _, _ = FORMATS[kind]
    with s3_bucket("hunter2") as (uri, client):
        write(tmp_path)
        client.upload_file(str(tmp_path / one), "data", f"{kind}/{one}")
        plan = make_plan(spec := spec_of(uri.format(kind)))
        assert sum(table.num_rows for table in read_source(spec.source, plan.profile)) == plan.profile.rows
        write(tmp_path, odd=True)
        client.upload_file(str(tmp_path / one), "data", f"{kind}/{one}")
        with pytest.raises(SourceError, match=REFUSED) as told:
            list(read_source(spec.source, plan.profile))
        assert "hunter2" not in str(told.value)
