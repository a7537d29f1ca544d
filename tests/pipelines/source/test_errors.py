"""Whatever is wrong with a source, the user gets one message that says what, what was got, and what to do."""

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from pipelines.source import profile_source
from schemas.errors import SourceError, SpecError
from schemas.secrets import redacted
from schemas.spec import Source


def refused(path: Path | str, data: str | bytes | None = None, *, by: list[str] | None = None, **options: Any) -> str:
    """Return the message that profiling ends with."""
    if data is not None:
        Path(path).write_bytes(data.encode() if isinstance(data, str) else data)
    source = Source(path=str(path), **{"label": "y", **options})
    with pytest.raises((SourceError, SpecError)) as caught:
        profile_source(source, by or [source.label])
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "data", "options", "message"),
    [
        ("d.csv", "", {}, "d.csv: the file is empty; it needs a header row and data rows"),
        ("d.csv", "\n\n", {}, "the file is empty"),
        ("d.csv", "x,y\n", {}, "there are no data rows, only a header"),
        ("d.csv", "", {"header": ["x", "y"]}, "the file is empty"),
        ("d.csv", "x,y\n1,a\n2\n", {}, "row 3 (the file's first row is 1) has 1 cells, expected 2"),
        ("d.csv", "x,y\n1,a\n2,b,c\n", {}, "has 3 cells, expected 2"),
        ("d.csv", "1,a\n2,b\n", {"header": ["x", "y", "z"]}, "has 2 cells, expected 3"),
        ("d.csv", b"x,y\n1,a\n2,\xe9b\n", {}, "is not UTF-8: byte 0xe9 at offset 10; save the file as UTF-8"),
        ("d.csv", b"x,\xe9y\n1,a\n", {}, "is not UTF-8: byte 0xe9 at offset 2"),
        ("d.csv", "x,y\n1,a\n".encode("utf-16-le"), {}, "holds NUL bytes"),
        ("d.csv", b"x,y\n1,a\0\n", {}, "holds NUL bytes, the first at byte 7"),
        ("d.csv", 'x,y\n1,"a\n2,b\n3,c\n', {}, "opens a cell that is never closed"),
        ("d.csv", '"x,y\n1,a\n2,b\n', {}, "the source has no column 'y'"),
        ("d.csv", "x,y,x\n1,a,2\n", {}, "more than one column is named 'x'"),
        ("d.csv", "_id,y\n1,a\n", {}, "the column name '_id' is reserved"),
        ("d.csv", "_row,y\n1,a\n", {}, "the column name '_row' is reserved"),
        (
            "d.csv",
            "x,income\n1,a\n",
            {"label": "incme"},
            "source.label: the source has no column 'incme'; did you mean",
        ),
        (
            "d.csv",
            "x,y\n1,a\n",
            {"types": {"xx": "id"}},
            "source.types.xx: the source has no column 'xx'; did you mean",
        ),
        ("d.csv", "x,y\n1,a\n", {"by": ["y", "sx"]}, "balance.by: the source has no column 'sx'"),
        (
            "d.csv",
            "x,y\n1,a\n2,\n3,?\n",
            {},
            "column 'y': 2 of 3 rows have no class; fill it in, or leave these rows out",
        ),
        ("d.csv", "x,y\n1,?\n", {"missing_label": "drop"}, "all 1 rows lack a class (y)"),
        ("d.csv", "x,y\n1,a\ninf,b\n-inf,b\n", {}, "column 'x': 2 of 3 values are infinite"),
        ("d.csv", "x,y\n1,a\nabc,b\nabc,b\n", {"types": {"x": "integer"}}, "but 2 of 3 cells are none, such as 'abc'"),
        ("d.csv", "x,y\n1,a\n1.5,b\n", {"types": {"x": "integer"}}, "d.csv, data row 2"),
        ("d.csv", "x,y\n1,a\nNAN,b\n", {"types": {"x": "number"}}, "list the text in source.nulls"),
        ("d.csv", "x,y\nmaybe,b\n", {"types": {"x": "boolean"}}, "source.types says boolean"),
        ("d.csv", "x,y\n2020-02-30,b\n", {"types": {"x": "date"}}, "'2020-02-30'"),
        ("d.csv", "x,y\n2020-01-01,b\n2020-01-01T10:00Z,a\n", {"types": {"x": "timestamp"}}, "with and without a zone"),
        ("d.csv", "x,y\n1,a\n", {"header": ["x", "x"]}, "source.header: each column needs a name of its own"),
        ("d.xls", "x,y\n1,a\n", {}, "the format cannot be told from the name; known are .csv"),
        ("d.csv.gz", gzip.compress(b"x,y\n" + b"1,a\n" * 9999, mtime=0)[:-30], {}, "the file is cut short"),
        ("d.csv.gz", b"x,y\n1,a\n", {}, "is not what its name says"),
        ("d.parquet", b"PAR1 this is cut in half", {}, "cannot be read: Parquet magic bytes not found in footer"),
        ("d.parquet", b"", {}, "cannot be read: Parquet file size is 0 bytes"),
        ("d.jsonl", "", {}, "there are no data rows"),
        ("d.jsonl", '{"y": "a"}\n{"y": \n', {}, "line 2 is not JSON"),
        ("d.jsonl", '[["a"]]\n', {}, "line 1 holds a list, not an object"),
        ("d.jsonl", '{"y": "a", "x": {"z": 1}}\n', {}, "column 'x' holds an object near line 1; nested values"),
        ("d.jsonl", '{"y": "a"}\n\n{"y": "a", "x": [1]}\n', {}, "column 'x' holds a list"),
        ("d.jsonl", b'{"y": "a"}\n{"y": "\xff"}\n', {}, "is not UTF-8: byte 0xff at offset 18"),
        ("d.jsonl", '{"y": "\\ud800"}\n', {}, "half a surrogate pair"),
        ("d.jsonl", "[" * 100_000 + "\n", {}, "line 1 is not JSON"),
        ("d.jsonl", '{"y": ' + "9" * 5000 + "}\n", {}, "line 1 is not JSON"),
        ("d.jsonl", '{"y": "a", "x": Infinity}\n', {}, "1 of 1 values are infinite"),
        ("d.jsonl", '{"y": "a"}\n', {"header": ["y"]}, "source.header: JSON Lines name their own columns"),
    ],
)
def test_a_bad_file_is_refused_with_advice(
    tmp_path: Path, name: str, data: str | bytes, options: dict[str, Any], message: str
) -> None:
    assert message in refused(tmp_path / name, data, **options)


def test_a_file_without_a_header_row_gets_the_advice(tmp_path: Path) -> None:
    message = refused(tmp_path / "d.csv", "1,a\n2,b\n")
    assert "no column 'y'; known are 1, a (a file without a header row needs source.header)" in message


def test_a_very_long_row(tmp_path: Path) -> None:
    text = "x" * (3 << 20)
    (tmp_path / "d.csv").write_text(f"x,y\n{text},a\n1,b\n")
    assert profile_source(Source(path=str(tmp_path / "d.csv"), label="y"), ["y"]).rows == 2
    message = refused(tmp_path / "d.csv", f'x,y\n1,a\n"{text * 7},a\n1,b\n')
    assert "a row is longer than 8 MB; most often a quotation mark opens a cell" in message


def test_files_of_a_folder_that_differ(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,a\n")
    (tmp_path / "b.csv").write_text("x,z\n1,a\n")
    assert "the first difference is 'y': there in a.csv, missing in b.csv" in refused(tmp_path)
    (tmp_path / "p").mkdir()
    pq.write_table(pa.table({"x": [1], "y": ["a"]}), tmp_path / "p" / "1.parquet")
    pq.write_table(pa.table({"x": ["1"], "y": ["a"]}), tmp_path / "p" / "2.parquet")
    assert "the first difference is 'x': int64 in 1.parquet, string in 2.parquet" in refused(tmp_path / "p")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([[1], [2]]), "column 'x' is of type list<"),
        (pa.array([b"1", b"2"]), "column 'x' is of type binary, which is no feature: set source.carry"),
        (pa.array([1, 2**62], pa.timestamp("us")), "column 'x' holds times outside the years 1 to 9999"),
        (pa.array([1, 2**62], pa.timestamp("ms")), "column 'x'"),
        (pa.array([1.0, float("inf")]), "column 'x': 1 of 2 values are infinite"),
    ],
)
def test_parquet_columns_that_cannot_be_read(tmp_path: Path, column: pa.Array, message: str) -> None:
    pq.write_table(pa.table({"x": column, "y": ["a", "b"]}), tmp_path / "d.parquet", coerce_timestamps=None)
    assert message in refused(tmp_path / "d.parquet")


def test_parquet_with_a_broken_page(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    pq.write_table(pa.table({"x": list(range(5000)), "y": ["a", "b"] * 2500}), path)
    data = bytearray(path.read_bytes())
    data[10:2000] = b"\xff" * 1990
    assert "cannot be read" in refused(path, bytes(data))


def test_redacted() -> None:
    assert redacted("see s3://key:se/cret@bucket/a@b.csv") == "see s3://***@bucket/a@b.csv"
    assert redacted("abfs://c/p?account_key=abc&x=1") == "abfs://c/p?account_key=***&x=1"
    assert redacted("s3://bucket/a.csv?region=eu") == "s3://bucket/a.csv?region=eu"
    assert redacted("a/b.csv") == "a/b.csv"
