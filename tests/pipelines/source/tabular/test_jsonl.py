"""JSON in all the shapes that tables come in: arrays and lines, packed, in folders and encodings, of mixed values."""

import bz2
import gzip
import json
from pathlib import Path

import pytest

from pipelines.plan.column_notes import column_lines
from pipelines.plan.planning import make_plan
from pipelines.source import profile_source
from schemas.errors import MakeweightError, SourceError
from schemas.spec import Source
from tests.hostile.promise import spec_of
from tests.pipelines.source.tabular.test_dialect import read

ROWS = [{"x": number % 3 + 0.5, "n": f"näme {number}", "y": "ab"[number % 2]} for number in range(6)]
ARRAY = json.dumps(ROWS, indent=1, ensure_ascii=False)
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


@pytest.mark.parametrize("text", [ARRAY, LINES, json.dumps(ROWS)], ids=["array", "lines", "one line"])
@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("d.json", bytes),
        ("d.jsonl", bytes),
        ("d.ndjson", bytes),
        ("d.json.gz", gzip.compress),
        ("d.jsonl.gz", gzip.compress),
        ("d.json.bz2", bz2.compress),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_records_are_read_as_an_array_and_as_lines(tmp_path: Path, text, name, pack, encoding) -> None:
    (tmp_path / name).write_bytes(pack(text.encode(encoding)))
    said = {"encoding": encoding, "format": "jsonl"} if encoding == "utf-16-le" else {}
    assert read(tmp_path / name, **said).to_pylist() == ROWS
    if encoding == "utf-16":
        assert read(tmp_path / name, encoding=encoding).to_pylist() == ROWS


def test_a_folder_of_json_files_is_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(ARRAY)
    (tmp_path / "b.json").write_text(LINES)
    (tmp_path / "about.json").write_text(json.dumps({"made": "by hand"}, indent=1))
    (tmp_path / "README.txt").write_text("a note")
    assert read(tmp_path).to_pylist() == ROWS * 2
    (tmp_path / "a.json").rename(tmp_path / "train.json")
    (tmp_path / "b.json").rename(tmp_path / "test.json")
    assert read(tmp_path, split="train").to_pylist() == ROWS
    with pytest.raises(MakeweightError, match=r"has the splits test \(1 files\), train \(1 files\)"):
        read(tmp_path)


@pytest.mark.parametrize("found", [{"x": {"0": 1}, "y": {"0": "a"}}, {"data": ROWS}, {"columns": ["x"], "data": [[1]]}])
def test_one_object_is_refused_with_what_to_write(tmp_path: Path, found: object) -> None:
    (tmp_path / "d.json").write_text(json.dumps(found))
    with pytest.raises(MakeweightError, match=r"holds one JSON object.*to_json\(orient='records', lines=True\)"):
        read(tmp_path / "d.json")


def test_values_that_become_text_are_told(tmp_path: Path) -> None:
    rows = [{"m": value, "t": "x", "u": number, "y": "ab"[number % 2]} for number, value in enumerate([1, "1", True])]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, {**rows[0], "m": None}]))
    assert read(tmp_path / "d.jsonl")["m"].to_pylist() == ["1", "1", "true", None]
    for carry in ([], ["m"]):
        lines = column_lines(make_plan(spec_of(str(tmp_path / "d.jsonl"), source={"label": "y", "carry": carry})))
        [told] = [line for line in lines if "no text in the source" in line]
        assert "2 cells are no text in the source (numbers, true or false), and text here" in told
    (tmp_path / "d.jsonl").write_text('{"m": 1, "y": "a"}\n' * 70_000 + '{"m": "x", "y": "b"}\n')
    [told] = [one for one in column_lines(make_plan(spec_of(str(tmp_path / "d.jsonl"), "y"))) if "no text in" in one]
    assert "70,000 cells" in told


@pytest.mark.parametrize("data", [b'\xfe\xff{"y\xff\x0b\xff\x0b": n', '{"y": "a"}\n'.encode("utf-16")[:-1]])
def test_utf_16_that_breaks_off_is_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "d.jsonl").write_bytes(data)
    with pytest.raises(SourceError, match="d.jsonl: is not in utf-16 throughout; fetch it again"):
        profile_source(Source(path=str(tmp_path / "d.jsonl"), label="y"), ["y"])


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("end", ["", "\n"])
def test_a_folder_of_objects_is_a_row_a_file(tmp_path: Path, indent: int | None, end: str) -> None:
    for number, row in enumerate(ROWS):
        (tmp_path / f"{number}.json").write_text(json.dumps(row, indent=indent if number else None) + end)
    assert read(tmp_path).to_pylist() == ROWS
    assert make_plan(spec_of(str(tmp_path), "y")).profile.lost == []


def test_one_object_beside_tables_of_many_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(LINES)
    (tmp_path / "b.json").write_text(json.dumps(ROWS[0]) + "\n")
    (tmp_path / "about.json").write_text(json.dumps({"made": "by hand"}, indent=1))
    assert read(tmp_path).to_pylist() == [*ROWS, ROWS[0]]
    told = "JSON files that hold one object, and not rows as the others do, are not read: 1, such as about.json."
    assert make_plan(spec_of(str(tmp_path), "y")).profile.lost == [told]


def test_a_json_file_of_lines_with_a_fault_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text(LINES + '{"x": 1,\n')
    with pytest.raises(SourceError, match="line 7 is not JSON"):
        read(tmp_path / "d.json")
