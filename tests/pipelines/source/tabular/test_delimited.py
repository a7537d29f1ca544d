"""CSV and TSV as people write them: what each mess becomes."""

import gzip
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines.source import profile_source, read_source
from schemas.arrow import source_schema
from schemas.plan import Column, SourceProfile
from schemas.spec import Source
from tests.conftest import ROOT

ADULT = ROOT.parent / "shared/data/adult/train.csv"


def profiled(tmp_path: Path, text: str | bytes, name: str = "data.csv", **options: Any) -> tuple[Source, SourceProfile]:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    source = Source(path=str(path), **{"label": "y", **options})
    return source, profile_source(source, [source.label])


def table(source: Source, profile: SourceProfile, **options: Any) -> pa.Table:
    return pa.concat_tables(read_source(source, profile, **options))


def cells(tmp_path: Path, *values: str, **options: Any) -> tuple[Column, list[Any]]:
    """Read a column `x` of these cells, in a file with a label."""
    text = "x,y\n" + "".join(f"{value},{'ab'[row % 2]}\n" for row, value in enumerate(values))
    source, profile = profiled(tmp_path, text, **options)
    return profile.column("x"), table(source, profile)["x"].to_pylist()


def test_a_late_word_makes_a_column_of_numbers_text_with_the_original_texts(tmp_path: Path) -> None:
    rows = 700_000
    numbers = "".join(f"{row % 9:.1f}0,{'ab'[row % 2]}\n" for row in range(rows))
    source, profile = profiled(tmp_path, f"x,y\n{numbers}word,a\n")
    assert profile.column("x").type == "string"
    assert profile.column("x").minimum is None
    assert profile.column("x").distinct == 10
    tables = list(read_source(source, profile))
    assert tables[0]["x"][1].as_py() == "1.00"
    assert max(part.num_rows for part in tables) <= 65_536
    assert max(part.nbytes for part in tables) <= 9 << 20
    assert pa.concat_tables(tables)["_row"].to_pylist() == list(range(rows + 1))


def test_bom_crlf_spaces_quotes_and_blank_lines(tmp_path: Path) -> None:
    text = b'\xef\xbb\xbf\r\n"na""me", y ,,\r\n"a, b\r\nc", 1,,z\r\n\r\n"" ,2,,\r\n'
    source, profile = profiled(tmp_path, text)
    assert [column.name for column in profile.columns] == ['na"me', "y", "column_3", "column_4"]
    rows = table(source, profile).to_pylist()
    assert list(rows[0].values()) == ["a, b\r\nc", 1, None, "z", 0]
    assert list(rows[1].values()) == [None, 2, None, None, 1]


def test_odd_column_names_are_kept(tmp_path: Path) -> None:
    source, profile = profiled(tmp_path, '"a\nb","c\td",y\n1,2,u\n3,4,v\n')
    assert table(source, profile).column_names == ["a\nb", "c\td", "y", "_row"]


def test_tsv_takes_quotation_marks_as_they_are(tmp_path: Path) -> None:
    text = 'ham\t"Hello\nspam\tsay "hi"\n'
    source, profile = profiled(tmp_path, text, "sms.tsv", header=["y", "text"])
    assert table(source, profile)["text"].to_pylist() == ['"Hello', 'say "hi"']
    assert profile.counts == [(["ham"], 1), (["spam"], 1)]


def test_null_texts_are_those_of_the_spec(tmp_path: Path) -> None:
    column, values = cells(tmp_path, "-9", "NA", "5", nulls=["-9"])
    assert (column.type, values) == ("string", [None, "NA", "5"])
    column, values = cells(tmp_path, "-9", "7", "5", nulls=[" -9 "])
    assert (column.type, values) == ("int64", [None, 7, 5])


@pytest.mark.parametrize(
    ("name", "values", "role"),
    [
        ("x", range(20), "id"),  # consecutive
        ("x", range(20, 0, -1), "id"),
        ("x", [3, 1, 9, 4, 7, 12, 5, 0, 2, 8, 11, 20], "feature"),  # distinct integers in a small table
        ("customer_id", [3, 1, 9, 4, 7, 12, 5, 0, 2, 8, 11, 20], "id"),
        ("customerId", [3, 1, 9, 4, 7], "id"),
        ("paid", [3, 1, 9, 4, 7], "feature"),
        ("id", [3, 1, 3, 4, 7], "feature"),  # not unique
        ("id", [3, 1, "", 4, 7], "feature"),  # one is missing
        ("x", [n * n for n in range(50)], "feature"),  # sorted, but few
        ("x", [n * n for n in range(120)], "id"),
        ("x", [n / 7 for n in range(1, 120)], "feature"),
        ("x", [uuid.UUID(int=n) for n in range(30)], "id"),
        ("x", [f"CUST-{n * 37 % 1000:04d}" for n in range(30)], "id"),
        ("x", [f"some words {n}" for n in range(30)], "feature"),
        ("note_id", [f"some words {n}" for n in range(30)], "feature"),
        ("x", ["same"] * 5, "constant"),
        ("x", [""] * 5, "constant"),
        ("x", ["same", "same", ""], "feature"),
    ],
)
def test_roles(tmp_path: Path, name: str, values: Any, role: str) -> None:
    text = f"{name},y\n" + "".join(f"{value},{'ab'[row % 2]}\n" for row, value in enumerate(values))
    assert profiled(tmp_path, text)[1].column(name).role == role


def test_an_id_can_be_said_and_denied(tmp_path: Path) -> None:
    assert cells(tmp_path, *map(str, range(30)), types={"x": "integer"})[0].role == "feature"
    assert cells(tmp_path, "u", "v", "w", types={"x": "id"})[0].role == "id"
    assert profiled(tmp_path, "y,x\n" + "".join(f"{n},1\n" for n in range(9)))[1].column("y").role == "feature"


def test_distinct_values_are_counted_up_to_a_cap(tmp_path: Path) -> None:
    text = "a,b,y\n" + "".join(f"{n % 1001},t{n % 1000},{n % 2}\n" for n in range(70_000))
    _, profile = profiled(tmp_path, text)
    assert profile.column("a").distinct == 1001
    assert profile.column("b").categories == sorted(f"t{n}" for n in range(1000))
    assert profile.column("y").categories is None
    many = "a,y\n" + "".join(f"{n * 7 % 70_001},{n % 2}\n" for n in range(70_000))
    assert profiled(tmp_path, many)[1].column("a").distinct is None


def test_classes_are_counted_by_value_in_order_of_first_sight(tmp_path: Path) -> None:
    source, _ = profiled(tmp_path, "y,s,x\n2,b,1\n1.0,a,2\n1,a,3\n2.0,a,4\n")
    assert profile_source(source, ["y"]).counts == [([2.0], 2), ([1.0], 2)]
    assert profile_source(source, ["s", "y"]).counts == [(["b", 2.0], 1), (["a", 1.0], 2), (["a", 2.0], 1)]
    _, dates = profiled(tmp_path, "y,x\n2020-01-02,1\n2020-01-03,2\n")
    assert dates.counts[0] == (["2020-01-02"], 1)
    _, truths = profiled(tmp_path, "y,x\ntrue,1\nFALSE,2\nTrue,3\n")
    assert truths.counts == [([True], 2), ([False], 1)]


def test_rows_without_a_class_are_dropped_but_numbered(tmp_path: Path) -> None:
    text = "y,s,x\na,u,1\n?,u,2\nb,,3\nb,v,99\n"
    source, profile = profiled(tmp_path, text, missing_label="drop")
    assert (profile.rows, profile.dropped, profile.column("s").nulls) == (3, 1, 1)
    assert table(source, profile)["_row"].to_pylist() == [0, 2, 3]
    joint = profile_source(source, ["y", "s"])
    assert (joint.rows, joint.dropped) == (2, 2)
    assert joint.column("x").maximum == 99
    only = table(source, joint, columns=["x"])
    assert only.to_pydict() == {"x": [1, 99], "_row": [0, 3]}


def test_compressed_files(tmp_path: Path) -> None:
    text = b"x,y\n1,a\n2,b\n"
    zst = pa.compress(text, "zstd", asbytes=True)
    for name, data in (("d.csv.gz", gzip.compress(text)), ("d.csv.zst", zst)):
        source, profile = profiled(tmp_path, data, name)
        assert table(source, profile)["x"].to_pylist() == [1, 2]


def test_a_folder_is_read_in_the_order_of_its_paths_and_its_fingerprint_moves_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    (folder / "sub").mkdir(parents=True)
    (folder / "b.csv").write_text("x,y\n3,a\n")
    (folder / "a.csv").write_text("y,x\nb,1\nb,2\n")
    (folder / "sub" / "c.csv").write_text("x,y\n4,a\n")
    for hidden in ("_SUCCESS", ".hidden.csv", "_tmp.csv", "README.md"):
        (folder / hidden).write_text("no data")
    source = Source(path=str(folder), label="y")
    profile = profile_source(source, ["y"])
    assert profile.files == ["a.csv", "b.csv", "sub/c.csv"]
    found = table(source, profile)
    assert found.to_pydict() == {"y": ["b", "b", "a", "a"], "x": [1, 2, 3, 4], "_row": [0, 1, 2, 3]}
    assert found.schema.names[:-1] == source_schema(profile.columns).names
    shutil.copytree(folder, tmp_path / "two")
    moved = profile_source(Source(path=str(tmp_path / "two"), label="y"), ["y"])
    assert moved.fingerprint == profile.fingerprint
    other = profile_source(Source(path=str(folder), label="y", nulls=["x"]), ["y"])
    assert other.fingerprint != profile.fingerprint


def test_adult_is_profiled_exactly() -> None:
    if not ADULT.exists():
        pytest.skip("the Adult table is not here")
    source = Source(path=str(ADULT), label="income")
    profile = profile_source(source, ["income", "sex"])
    assert (profile.rows, profile.dropped, len(profile.columns)) == (32_561, 0, 15)
    assert sum(rows for key, rows in profile.counts if key[0] == "<=50K") == 24_720
    assert {c.name: c.nulls for c in profile.columns if c.nulls} == {
        "workclass": 1836,
        "occupation": 1843,
        "native-country": 583,
    }
    assert [c.name for c in profile.columns if c.type == "int64"] == [
        "age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week",
    ]  # fmt: skip
    assert {c.role for c in profile.columns} == {"feature"}
    age = profile.column("age")
    assert (age.distinct, age.minimum, age.maximum) == (73, 17, 90)
    assert profile.column("sex").categories == ["Female", "Male"]
    assert "State-gov" in (profile.column("workclass").categories or [])


def test_reading_a_csv_file_does_not_import_pandas(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("i,x,y,z\n1,?,a,t\n2,1.5,b,u\n3,2.5,b,u\n")
    code = (
        "import sys; from pipelines.source import profile_source, read_source; from schemas.spec import Source\n"
        f"s = Source(path={str(tmp_path / 'd.csv')!r}, label='y'); p = profile_source(s, ['y', 'z'])\n"
        "assert sum(t.num_rows for t in read_source(s, p)) == 3\n"
        "assert not {'pandas', 'torch', 'ray'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("name", "values", "role"),
    [
        ("x", [f"{1007 + 7 * row:05d}" for row in range(40)], "feature"),  # zip codes of New England
        ("x", [f"+4917{row * 7919 + 1_000_000}" for row in range(40)], "feature"),
        ("x", [f"{row:06d}" for row in range(40)], "id"),
        ("zip", [str(10_000 + 7 * row) for row in range(200)], "feature"),
        ("x", [str(10_000 + 7 * row) for row in range(200)], "id"),
        ("phone_number", [f"0{171_000_000 + 31 * row}" for row in range(40)], "feature"),
        ("customer_id", [f"{1007 + 7 * row:05d}" for row in range(40)], "id"),
        ("", [str(row * 37 % 101) for row in range(100)], "id"),  # as pandas writes a shuffled index
        ("Unnamed: 0", [str(row * 37 % 101) for row in range(100)], "id"),
        ("x", [str(row * 37 % 101) for row in range(100)], "feature"),
        ("", [f"{row * 37 % 101}.5" for row in range(100)], "feature"),
        ("", [str(row % 50) for row in range(100)], "feature"),
    ],
)
def test_codes_of_digits_stay_and_indices_are_ids(tmp_path: Path, name: str, values: list[str], role: str) -> None:
    text = f"{name},y\n" + "".join(f"{value},{'ab'[row % 2]}\n" for row, value in enumerate(values))
    source, profile = profiled(tmp_path, text)
    assert profile.columns[0].role == role
    assert [str(cell) for cell in table(source, profile)[0].to_pylist()] == values


def test_only_the_first_column_without_a_name_is_an_index(tmp_path: Path) -> None:
    text = "x,,y\n" + "".join(f"{row % 3},{row * 37 % 101},{'ab'[row % 2]}\n" for row in range(100))
    assert profiled(tmp_path, text)[1].column("column_2").role == "feature"
    headless, named = text.split("\n", 1)[1], ["column_1", "z", "y"]
    swapped = "".join(f"{b},{a},{c}\n" for a, b, c in (line.split(",") for line in headless.splitlines()))
    assert profiled(tmp_path, swapped, header=named)[1].column("column_1").role == "feature"


def test_words_that_are_taken_for_missing_are_told_of_texts(tmp_path: Path) -> None:
    column, values = cells(tmp_path, "DE", "NA", "", "FR", "NA")
    assert (values, column.nulls) == (["DE", None, None, "FR", None], 3)
    assert column.changed == "2 cells that read 'NA' or the like are missing here (source.nulls)"
    assert cells(tmp_path, "DE", "NA", "", "FR", nulls=[""])[0].changed is None
    assert cells(tmp_path, "1", "NA", "", "3")[0].changed is None
