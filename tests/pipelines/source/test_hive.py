"""Folders named `key=value` are columns, as pyarrow.dataset reads them; no value of theirs is lost."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from pyarrow import parquet as pq

from pipelines.modality import modality_notes
from pipelines.plan.planning import make_plan
from schemas.errors import SpecError
from tests.hostile.promise import spec_of
from tests.pipelines.source.tabular.test_parquet import read

PLACES = ["year=2020/place=Köln", "year=2021/place=a%20b%2Fc", "year=2021/place=__HIVE_DEFAULT_PARTITION__"]


def save(root: Path, format_: str, places: list[str] = PLACES) -> Path:
    for number, place in enumerate(places):
        folder = root / place
        folder.mkdir(parents=True)
        rows = [{"x": number + 0.5, "y": "a"}, {"x": number + 1.5, "y": "b"}]
        if format_ == "parquet":
            pq.write_table(pa.Table.from_pylist(rows), folder / "p.parquet")
        elif format_ == "jsonl":
            (folder / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            (folder / "p.csv").write_text("x,y\n" + "".join(f"{row['x']},{row['y']}\n" for row in rows))
    return root


@pytest.mark.parametrize("format_", ["parquet", "csv", "jsonl"])
def test_columns_in_folder_names_are_those_of_pyarrow(tmp_path: Path, format_: str) -> None:
    profile, found = read(save(tmp_path / "d", format_))
    right = ds.dataset(save(tmp_path / "p", "parquet"), format="parquet", partitioning="hive").to_table()
    assert found.select(["x", "y", "year", "place"]).to_pylist() == right.to_pylist()
    assert {column.name: column.type for column in profile.columns}["year"] == "int64"
    assert profile.column("place").nulls == 2
    dropped = read(tmp_path / "d", drop=["year"], types={"place": "string"})[1]
    assert dropped["place"][0].as_py() == "Köln"
    assert "year" not in dropped.column_names
    assert set(read(tmp_path / "d", columns=["year"])[1].column_names) == {"year", "y", "_row"}
    carried, rows = read(tmp_path / "d", carry=["place"])
    assert (carried.column("place").role, rows["place"][0].as_py()) == ("carried", "Köln")


@pytest.mark.parametrize("format_", ["parquet", "csv", "jsonl"])
def test_a_folder_name_can_be_the_class(tmp_path: Path, format_: str) -> None:
    save(tmp_path / "d", format_, ["kind=01", "kind=02"])
    plan = make_plan(spec_of(str(tmp_path / "d"), "kind"))
    assert {one.name: one.real for one in plan.strata} == {"01": 2, "02": 2}


def test_folders_of_splits_are_no_columns(tmp_path: Path) -> None:
    save(tmp_path / "d", "parquet", ["split=train", "split=test"])
    assert read(tmp_path / "d", split="train")[1].column_names == ["x", "y", "_row"]


def test_a_column_of_the_file_goes_before_the_name_of_its_folder(tmp_path: Path) -> None:
    save(tmp_path / "d", "csv", ["x=7", "x=8"])
    assert read(tmp_path / "d")[1]["x"].to_pylist() == [0.5, 1.5, 1.5, 2.5]


def test_a_folder_without_the_column_of_the_others_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "d", "parquet", ["year=2020", "other"])
    with pytest.raises(Exception, match=r"the files have different columns; the first difference is 'year'"):
        read(tmp_path / "d")


def test_rows_of_another_year_are_another_source(tmp_path: Path) -> None:
    one = read(save(tmp_path / "d", "csv", ["year=2020", "year=2021"]))[0]
    other = read(save(tmp_path / "e", "csv", ["year=2020", "year=2022"]))[0]
    assert one.content == other.content
    assert one.fingerprint != other.fingerprint
    with pytest.raises(SpecError, match=r"the source has no column 'month'"):
        read(tmp_path / "d", drop=["month"])


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("mode", ("train", "bus")),
        ("arm", ("test", "control")),
        ("stage", ("dev", "prod")),
        ("exam", ("blood%20test", "scan")),
        ("test", ("0", "1")),
    ],
)
def test_values_that_look_like_splits_and_are_none_stay(tmp_path: Path, key: str, values: tuple[str, str]) -> None:
    save(tmp_path / "d", "csv", [f"{key}={value}" for value in values])
    right = {int(value) if value.isdigit() else value.replace("%20", " ") for value in values}
    assert set(read(tmp_path / "d")[1][key].to_pylist()) == right
    assert {one.name for one in make_plan(spec_of(str(tmp_path / "d"), key)).strata} == set(map(str, right))


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"split": "train"}, False),
        ({"split": "all"}, True),
        ({"split": "none"}, True),
        ({"split": "train", "types": {"split": "category"}}, True),
        ({"types": {"split": "category"}}, True),
        ({"columns": ["x", "y", "split"]}, True),
    ],
)
def test_folders_of_splits_are_no_column_unless_all_are_taken_or_the_spec_names_it(
    tmp_path: Path, said: dict[str, Any], kept: bool
) -> None:
    save(tmp_path / "d", "csv", ["split=train", "split=test"])
    profile, found = read(tmp_path / "d", **said)
    assert ("split" in found.column_names) == kept
    assert profile.rows == (2 if said.get("split") == "train" else 4)
    told = ["Folders split=… are splits, and no column (one that source.types names is kept)."]
    assert modality_notes(make_plan(spec_of(str(tmp_path / "d"), "y", source=said))) == ([] if kept else told)


def test_a_class_of_split_words_is_a_column(tmp_path: Path) -> None:
    save(tmp_path / "d", "csv", ["arm=test", "arm=dev"])
    assert set(read(tmp_path / "d", label="arm")[1]["arm"].to_pylist()) == {"test", "dev"}
    with pytest.raises(SpecError, match="has the splits arm=dev .*, arm=test .*split: none says that these"):
        make_plan(spec_of(str(tmp_path / "d"), "y"))
