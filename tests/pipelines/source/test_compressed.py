"""Tables in other wrappings: archives, arrays of records, and the Hugging Face hub."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem
from pyarrow import parquet as pq

from pipelines.source import profile_source, read_source
from pipelines.storage.filesystem import resolve_uri
from schemas.errors import SourceError
from schemas.spec import Source

CSV = "x,y\n5,a\n1,b\n5,a\n"


def read(path: Path | str, **options: Any) -> list[dict[str, Any]]:
    source = Source(path=str(path), **{"label": "y", **options})
    return pa.concat_tables(read_source(source, profile_source(source, ["y"]))).drop_columns("_row").to_pylist()


def _zipped(**members: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), text)
    return packed.getvalue()


ROWS = [{"x": 5, "y": "a"}, {"x": 1, "y": "b"}, {"x": 5, "y": "a"}]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("d.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("d.csv.bz2", bz2.compress(CSV.encode())),
        ("d.csv.xz", lzma.compress(CSV.encode())),
        ("d.csv.zst", pa.compress(CSV.encode(), "zstd", asbytes=True)),
        ("d.csv.zip", _zipped(data_csv=CSV)),
        ("d.zip", _zipped(folder__data_csv=CSV)),
        ("d.zip", _zipped(data_tsv=CSV.replace(",", "\t"))),
        ("d.csv.zip", _zipped(data=CSV)),
        ("d.zip", _zipped(data_json=json.dumps([{"x": 5, "y": "a"}, {"x": 1, "y": "b"}, {"x": 5, "y": "a"}]))),
    ],
    ids=["gz", "bz2", "xz", "zst", "csv.zip", "folder", "tsv", "no ending", "json"],  # gzip writes the time down
)
def test_one_packed_table(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert read(tmp_path / name) == ROWS


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("d.csv.xz", lzma.compress(CSV.encode())[:-9], "d.csv.xz: cannot be read"),
        ("d.csv.xz", b"no xz at all", "d.csv.xz: cannot be read"),
        ("d.csv.zip", b"no zip at all", "d.csv.zip: cannot be read"),
        ("d.zip", b"no zip at all", "d.zip: cannot be read"),
    ],
)
def test_what_cannot_be_unpacked_is_refused(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError, match=message):
        read(tmp_path / name)


def test_an_archive_of_several_tables_is_read_as_the_folder_that_was_packed(tmp_path: Path) -> None:
    (tmp_path / "d.zip").write_bytes(_zipped(a_csv=CSV, b_csv=CSV))
    assert read(tmp_path / "d.zip") == ROWS * 2


def test_packed_tables_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.csv.zip").write_bytes(_zipped(a_csv=CSV))
    (tmp_path / "b.csv.xz").write_bytes(lzma.compress(CSV.encode()))
    assert read(tmp_path) == ROWS * 2
    (tmp_path / "a.csv.zip").write_bytes(_zipped(a_csv=CSV, b_csv=CSV))
    with pytest.raises(SourceError, match="the archive holds 2 files; unpack it"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["d.csv.xz", "d.zip"])
def test_what_is_unpacked_is_compared_with_what_was_profiled(tmp_path: Path, name: str) -> None:
    def pack(text: str) -> None:
        (tmp_path / name).write_bytes(lzma.compress(text.encode()) if name.endswith("xz") else _zipped(data_csv=text))

    pack(CSV)
    source = Source(path=str(tmp_path / name), label="y")
    profile = profile_source(source, ["y"])
    pack(CSV.replace("1,b", "2,b"))
    with pytest.raises(SourceError, match="the source changed while it was read"):
        list(read_source(source, profile))


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_of_records(tmp_path: Path, indent: int | None) -> None:
    (tmp_path / "d.json").write_text(" \n" + json.dumps(ROWS, indent=indent))
    assert read(tmp_path / "d.json") == ROWS
    (tmp_path / "l.json").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    assert read(tmp_path / "l.json") == ROWS
    many = [{"x": row % 7, "y": "ab"[row % 2], "t": "é" * 50} for row in range(30_000)]
    (tmp_path / "m.json").write_text(json.dumps(many, ensure_ascii=False, indent=indent))
    assert read(tmp_path / "m.json") == many


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"x": 1, "y": "a"}, {"x": 2', r"record 2 is not JSON"),
        ('[{"x": 1, "y": "a"}', r"the array of records does not end with '\]'"),
        ("[1, 2]", "holds a number, not an object"),
        ('{"images": [], "annotations": []}', "is no dataset"),
    ],
)
def test_an_array_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "d.json").write_text(text)
    with pytest.raises(SourceError, match=message):
        read(tmp_path / "d.json")


class Hub(DirFileSystem):
    """A folder in the place of the hub, whose paths begin with the kind of repository."""

    protocol = "hf"
    place = ""

    def __init__(self) -> None:
        super().__init__(self.place, LocalFileSystem())


@pytest.mark.parametrize("name", ["d.csv", "data", "d.parquet", "d.csv.xz", "d.zip"])
def test_the_hugging_face_hub_is_read_through_its_filesystem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / "datasets" / "owner" / "name"
    (folder / "data" / "train").mkdir(parents=True)
    (folder / "d.csv").write_text(CSV)
    (folder / "data" / "train" / "0.csv").write_text(CSV)
    (folder / "d.csv.xz").write_bytes(lzma.compress(CSV.encode()))
    (folder / "d.zip").write_bytes(_zipped(data_csv=CSV))
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "d.parquet")
    monkeypatch.setattr(Hub, "place", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.HfFileSystem", Hub)
    resolve_uri.cache_clear()
    try:
        assert read(f"hf://datasets/owner/name/{name}") == ROWS
        with pytest.raises(SourceError, match=r"hf://datasets/owner/name/e.csv: no such file or folder"):
            read("hf://datasets/owner/name/e.csv")
    finally:
        resolve_uri.cache_clear()
