"""JSON Lines, Parquet and S3: formats with types of their own, and a filesystem that is not the local one."""

import datetime
import decimal
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from moto.server import ThreadedMotoServer
from pyarrow import fs
from pyarrow import parquet as pq

from pipelines.plan.column_notes import column_lines
from pipelines.plan.planning import make_plan
from pipelines.source import profile_source, read_source
from schemas.arrow import dataset_schema
from schemas.errors import SourceError
from schemas.plan import SourceProfile
from schemas.spec import Source
from tests.hostile.promise import spec_of


def read(path: Path | str, **options: Any) -> tuple[SourceProfile, pa.Table]:
    source = Source(path=str(path), **{"label": "y", **options})
    profile = profile_source(source, [source.label])
    return profile, pa.concat_tables(read_source(source, profile))


def test_json_lines_take_their_types_from_the_values(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_bytes(
        b'\xef\xbb\xbf{"y": "a", "i": 1, "f": 1, "b": true, "s": "007", "m": 1, "n": null, "d": "2020-01-01"}\r\n'
        b'\r\n{"y": "b", "i": null, "f": 2.5, "b": false, "s": "NA", "m": "x", "d": "2020-01-02"}\n'
        b'{"y": "a", "f": NaN, "m": true, "late": 3, "big": 123456789012345678901234567890}'
    )
    profile, table = read(tmp_path / "d.jsonl")
    assert {column.name: column.type for column in profile.columns} == {
        "y": "string", "i": "int64", "f": "double", "b": "bool", "s": "string", "m": "string", "n": "string",
        "d": "string", "late": "int64", "big": "string",
    }  # fmt: skip
    assert table["f"].to_pylist() == [1.0, 2.5, None]
    assert table["m"].to_pylist() == ["1", "x", "true"]
    assert table["s"].to_pylist() == ["007", "NA", None]
    assert table["late"].to_pylist() == [None, None, 3]
    assert table["big"][2].as_py() == "123456789012345678901234567890"
    assert (profile.column("late").nulls, profile.column("n").role) == (2, "constant")
    dated, _ = read(tmp_path / "d.jsonl", types={"d": "date"}, nulls=["NA"])
    assert (dated.column("d").type, dated.column("s").nulls) == ("date32[day]", 2)


def test_json_lines_in_several_blocks(tmp_path: Path) -> None:
    rows = 70_000
    with (tmp_path / "d.jsonl").open("w") as file:
        file.writelines(f'{{"y": "{"ab"[row % 2]}", "x": {row}, "t": 1.0}}\n' for row in range(rows))
        file.write('{"y": "a", "x": 0.5, "t": "word"}\n')
    profile, table = read(tmp_path / "d.jsonl")
    assert (profile.column("x").type, profile.column("t").type) == ("double", "string")
    assert table["t"][0].as_py() == "1.0"
    assert table["x"].to_pylist()[-2:] == [rows - 1, 0.5]
    assert profile.counts == [(["a"], rows // 2 + 1), (["b"], rows // 2)]


def test_parquet_types_are_brought_to_those_that_are_computed_with(tmp_path: Path) -> None:
    moment = datetime.datetime(2020, 1, 2, 3, 4, 5, 6)
    columns = {
        "y": pa.array(["a", "b", "a"]).dictionary_encode(),
        "i8": pa.array([1, None, 3], pa.int8()),
        "u64": pa.array([1, 2, 3], pa.uint64()),
        "f32": pa.array([1.5, float("nan"), None], pa.float32()),
        "dec": pa.array([decimal.Decimal("1.25")] * 3),
        "big": pa.array(["x", "y", None], pa.large_string()),
        "ns": pa.array([moment] * 3, pa.timestamp("ns")),
        "zone": pa.array([moment] * 3, pa.timestamp("ms", "Europe/Paris")),
        "d64": pa.array([moment.date()] * 3, pa.date64()),
        "none": pa.nulls(3),
        "b": pa.array([True, False, None]),
    }
    pq.write_table(pa.table(columns), tmp_path / "d.parquet")
    profile, table = read(tmp_path / "d.parquet")
    assert [str(kind) for kind in table.schema.types] == [
        "string", "int64", "int64", "double", "double", "string", "timestamp[us]", "timestamp[us, tz=UTC]",
        "date32[day]", "string", "bool", "int64",
    ]  # fmt: skip
    assert table["f32"].to_pylist() == [1.5, None, None]
    assert table["ns"][0].as_py() == moment
    assert profile.column("f32").nulls == 2
    assert profile.column("d64").minimum == "2020-01-02"
    assert profile.counts == [(["a"], 2), (["b"], 1)]
    typed, cast = read(tmp_path / "d.parquet", types={"i8": "string", "dec": "number", "u64": "number"})
    assert cast["i8"].to_pylist() == ["1", None, "3"]
    assert typed.column("u64").maximum == 3.0
    with pytest.raises(SourceError, match=r"column 'dec': source.types says integer, but 3 of 3 cells"):
        read(tmp_path / "d.parquet", types={"dec": "integer"})


def test_a_parquet_folder_reads_only_the_columns_that_are_asked_for(tmp_path: Path) -> None:
    for part in range(3):
        kinds = pa.nulls(50_000) if part == 0 else pa.array([part] * 50_000)
        table = pa.table({"y": ["a", "b"] * 25_000, "x": kinds, "t": ["text" * 100] * 50_000})
        pq.write_table(table, tmp_path / f"{part}.parquet")
    source = Source(path=str(tmp_path), label="y")
    profile = profile_source(source, ["y"])
    assert (profile.rows, profile.column("x").type, profile.column("x").nulls) == (150_000, "int64", 50_000)
    tables = list(read_source(source, profile, columns=["x", "y"]))
    assert pa.concat_tables(tables).schema.names == ["y", "x", "_row"]
    assert pa.concat_tables(tables)["_row"].to_pylist() == list(range(150_000))
    assert max(part.nbytes for part in read_source(source, profile)) < 9 << 20


def test_labels_of_other_types_than_text(tmp_path: Path) -> None:
    days = pa.array([datetime.date(2020, 1, 1), None, datetime.date(2020, 1, 2)])
    pq.write_table(pa.table({"y": days, "z": [1, 2, 2]}), tmp_path / "d.parquet")
    source = Source(path=str(tmp_path / "d.parquet"), label="y", missing_label="drop")
    profile = profile_source(source, ["y", "z"])
    assert profile.counts == [(["2020-01-01", 1], 1), (["2020-01-02", 2], 1)]
    assert pa.concat_tables(read_source(source, profile))["_row"].to_pylist() == [0, 2]


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The part of an S3 URI's query that leads to a server on the loopback interface."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    query = f"endpoint_override=127.0.0.1:{server.get_host_and_port()[1]}&scheme=http&region=us-east-1"
    filesystem, _ = fs.FileSystem.from_uri(f"s3://AKIAKEY:hunter2@bucket?{query}&allow_bucket_creation=true")
    filesystem.create_dir("bucket")
    for name in ("one.csv", "folder/1.csv", "folder/sub/2.csv", "folder/_skipped.csv"):
        with filesystem.open_output_stream(f"bucket/{name}") as sink:
            sink.write(b"x,y\n1,a\n2,b\n")
    yield query
    server.stop()


def test_s3(bucket: str, tmp_path: Path) -> None:
    profile, table = read(f"s3://AKIAKEY:hunter2@bucket/folder?{bucket}")
    assert profile.files == ["1.csv", "sub/2.csv"]
    assert table["x"].to_pylist() == [1, 2, 1, 2]
    assert "hunter2" not in profile.model_dump_json()
    single, _ = read(f"s3://AKIAKEY:hunter2@bucket/one.csv?{bucket}")
    assert single.files == ["one.csv"]
    (tmp_path / "local.csv").write_bytes(b"x,y\n1,a\n2,b\n")
    assert read(tmp_path / "local.csv")[0].fingerprint == single.fingerprint


def test_s3_errors_keep_the_credentials(bucket: str) -> None:
    with pytest.raises(SourceError, match=r"no such file or folder.*did you mean 'one\.csv'") as caught:
        read(f"s3://AKIAKEY:hunter2@bucket/onee.csv?{bucket}")
    assert "hunter2" not in str(caught.value)


def test_the_index_that_pandas_keeps_in_parquet_is_an_id(tmp_path: Path) -> None:
    table = pa.table(
        {"x": [0.5] * 50, "y": ["a", "b"] * 25, "__index_level_0__": [row * 37 % 101 for row in range(50)]}
    )
    pq.write_table(table, tmp_path / "d.parquet")
    assert read(tmp_path / "d.parquet")[0].column("__index_level_0__").role == "id"


def test_class_names_of_hugging_face_are_read_and_kept(tmp_path: Path) -> None:
    features = {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}, "x": {"dtype": "float32", "_type": "Value"}}
    told = {"huggingface": json.dumps({"info": {"features": features}})}
    cells = {"x": pa.array([0.5, 1.5, 2.5, 1.0], pa.float32()), "label": [0, 1, 1, 1]}
    pq.write_table(pa.table(cells).replace_schema_metadata(told), tmp_path / "d.parquet")
    plan = make_plan(spec_of(tmp_path / "d.parquet", "label", balance={"target": {"neg": 3}}))
    assert {stratum.name: stratum.target for stratum in plan.strata} == {"0": 3, "1": 3}
    assert "0 = neg, 1 = pos" in column_lines(plan)[1]
    schema = dataset_schema(plan.profile.columns)
    kept = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert kept["label"] == features["label"]
    assert kept["x"] == features["x"]
    pq.write_table(pa.table({"x": [0.5, 1.5], "label": [0, 7]}).replace_schema_metadata(told), tmp_path / "e.parquet")
    assert read(tmp_path / "e.parquet", label="label")[0].column("label").names is None
