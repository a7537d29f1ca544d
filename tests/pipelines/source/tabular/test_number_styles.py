"""Numbers with decimal commas and marks between thousands: what a cell can mean decides, never the delimiter alone."""

from pathlib import Path
from typing import Any

import pytest

from flows.display import plan_notes
from pipelines.plan.planning import make_plan
from schemas.errors import SourceError
from tests.hostile.promise import spec_of
from tests.pipelines.source.tabular.test_dialect import read, written

HEAD = 550
"""Times that two rows are repeated, so that what follows is not among the rows that are looked at first."""


def table(delimiter: str, columns: dict[str, list[str]]) -> str:
    """Return a table of these columns and a class; cells that hold the delimiter are quoted."""
    rows = [[*columns, "y"], *([*row, "ab"[at % 2]] for at, row in enumerate(zip(*columns.values(), strict=True)))]
    quoted = ([f'"{cell}"' if delimiter in cell else cell for cell in row] for row in rows)
    return "".join(delimiter.join(row) + "\n" for row in quoted)


def notes(tmp_path: Path, name: str = "d.csv") -> list[str]:
    return [note for note in plan_notes(make_plan(spec_of(str(tmp_path / name), "y"))) if "written" in note]


@pytest.mark.parametrize("delimiter", [";", "\t", "|", ","])
@pytest.mark.parametrize(
    ("cells", "right"),
    [
        (["1.123", "2.456", "12.789"], [1.123, 2.456, 12.789]),
        (["0.123", "0.456", "0.789"], [0.123, 0.456, 0.789]),
        (["0,123", "0,456", "0,789"], [0.123, 0.456, 0.789]),
        (["1.234.567", "2.345", "12"], [1234567, 2345, 12]),
        (["1,234,567", "2,345", "12"], [1234567, 2345, 12]),
        (["1.234,5", "2.345", "12"], [1234.5, 2345, 12]),
        (["1,5e-05", "2,25e3", "1,5"], [1.5e-05, 2250, 1.5]),
        (["01,5", "02,5", "03,5"], ["01,5", "02,5", "03,5"]),
        (["001,202", "001,203", "001,204"], ["001,202", "001,203", "001,204"]),
        (["060 234 567", "060 234 568", "060 234 569"], ["060 234 567", "060 234 568", "060 234 569"]),
        (["601 234 567", "601 234 568", "601 234 569"], ["601 234 567", "601 234 568", "601 234 569"]),
        (["1 234 567", "12 345", "999"], [1234567, 12345, 999]),
        (["10.100.200.100", "10.100.200.101", "10.9.8.7"], ["10.100.200.100", "10.100.200.101", "10.9.8.7"]),
        (["1.23.456", "1.234", "12"], ["1.23.456", "1.234", "12"]),
    ],
)  # fmt: skip
def test_a_column_is_read_by_what_its_cells_can_mean(
    tmp_path: Path, delimiter: str, cells: list[str], right: list[Any]
) -> None:
    assert written(tmp_path, table(delimiter, {"p": cells}))["p"].to_pylist() == right


@pytest.mark.parametrize(
    ("delimiter", "cells", "other", "right"),
    [
        (";", "1.123", "1,5", 1123),
        (";", "1.123", "1.5", 1.123),
        ("|", "1,123", "1.5", 1123),
        ("\t", "1,123", "1,5", 1.123),
        (",", "1,123", "0,5", 1.123),
        (",", "1,123", "1.5", 1123),
        (",", "1.123", "1,5", 1123),
    ],
)
def test_other_columns_and_other_files_decide_what_a_column_leaves_open(
    tmp_path: Path, delimiter: str, cells: str, other: str, right: float
) -> None:
    both = {"p": [cells] * 3, "q": [other] * 3, "r": ["7", "9", "8"]}
    assert written(tmp_path, table(delimiter, both))["p"].to_pylist() == [right] * 3
    assert not any("two ways" in note for note in notes(tmp_path))
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "a.csv").write_text(table(delimiter, both))
    alone = {"p": [cells] * 3, "q": ["7"] * 3, "r": ["7", "9", "8"]}
    (tmp_path / "all" / "b.csv").write_text(table(delimiter, alone))
    assert read(tmp_path / "all")["p"].to_pylist() == [right] * 6


@pytest.mark.parametrize(
    ("delimiter", "cell", "value", "told"),
    [
        (";", "1.123", 1.123, "1.123 is not taken for 1123; if it is, set source.decimal to ','"),
        ("\t", "1.123", 1.123, "1.123 is not taken for 1123; if it is, set source.decimal to ','"),
        (";", "1,123", 1.123, "1,123 is not taken for 1123; if it is, set source.decimal to '.'"),
        (",", "1,123", 1123, "1,123 is not taken for 1.123; if it is, set source.decimal to ','"),
    ],
)
def test_the_plan_says_what_was_chosen_where_nothing_decides(
    tmp_path: Path, delimiter: str, cell: str, value: float, told: str
) -> None:
    text = table(delimiter, {"p": [cell, cell], "r": ["7", "8"]})
    assert written(tmp_path, text)["p"].to_pylist() == [value] * 2
    [note] = notes(tmp_path)
    assert told in note
    other = 1123 if value == 1.123 else 1.123
    assert written(tmp_path, text, decimal=told[-2])["p"].to_pylist() == [other] * 2


def test_decimal_commas_are_told_of_columns_that_have_them(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(table(";", {"p": ["1.123.456", "2.345"], "q": ["1,5", "2,5"]}))
    told = "semicolons between cells, decimal commas in 'q', marks between thousands in 'p'"
    assert notes(tmp_path) == [f"The source is written with {told}."]


@pytest.mark.parametrize(
    ("delimiter", "head", "later", "wrong"),
    [
        (";", {"p": ["1.234.567", "2.345"]}, {"p": ["12.5"]}, "12.5"),
        (";", {"p": ["1.234.567", "2.345"]}, {"p": ["1.2345"]}, "1.2345"),
        (",", {"p": ["1,234", "2,345"]}, {"p": ["12,5"]}, "12,5"),
        (",", {"p": ["1,234", "2,345"]}, {"p": ["1,23,456"]}, "1,23,456"),
        (",", {"p": ["1 234", "2 345"]}, {"p": ["12 5"]}, "12 5"),
        (";", {"p": ["12", "34"], "q": ["1,5", "2,5"]}, {"p": ["12.5"], "q": ["2,5"]}, "12.5"),
    ],
)
def test_every_cell_is_held_against_the_style_of_its_column(
    tmp_path: Path, delimiter: str, head: dict[str, list[str]], later: dict[str, list[str]], wrong: str
) -> None:
    columns = {name: cells * HEAD + later[name] for name, cells in head.items()}
    with pytest.raises(SourceError) as error:
        written(tmp_path, table(delimiter, columns))
    assert "data row 1,101: the numbers of column 'p' have the decimal mark" in str(error.value)
    assert f"but here is {wrong!r}; mend it" in str(error.value)
    kept = written(tmp_path, table(delimiter, columns), types={"p": "string"})["p"]
    assert kept.to_pylist() == columns["p"]


def test_thousands_that_come_late_are_read_as_the_file_writes_numbers(tmp_path: Path) -> None:
    head = {"n": ["12", "34"] * HEAD, "q": ["1,5", "2,5"] * HEAD}
    found = written(tmp_path, table(";", {"n": [*head["n"], "1.234"], "q": [*head["q"], "2,5"]}))
    assert (str(found.schema.field("n").type), found["n"][-1].as_py()) == ("int64", 1234)
    words = {"n": [*head["n"], "a, b", "012"], "q": [*head["q"], "2,5", "2,5"]}
    assert written(tmp_path, table(";", words))["n"].to_pylist() == words["n"]
    mixed = {"n": [*head["n"], "1.234", "word"], "q": [*head["q"], "2,5", "2,5"]}
    with pytest.raises(SourceError, match=r"column 'n': some cells are numbers .* set the column's source.types to st"):
        written(tmp_path, table(";", mixed))
    assert written(tmp_path, table(";", mixed), types={"n": "string"})["n"].to_pylist() == mixed["n"]


def test_numbers_in_one_file_and_words_in_another_are_not_mixed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(table(";", {"p": ["1,5", "2,5"]}))
    (tmp_path / "b.csv").write_text(table(";", {"p": ["one", "two"]}))
    with pytest.raises(SourceError, match=r"column 'p': some cells are numbers with decimal commas"):
        read(tmp_path)
    assert read(tmp_path, types={"p": "string"})["p"].to_pylist() == ["1,5", "2,5", "one", "two"]


@pytest.mark.parametrize(
    ("cells", "said", "wrong"),
    [
        (["1.234", "2.500", "12.5"], {"decimal": ",", "thousands": "."}, "12.5"),
        (["1.234", "2.500", "12.5"], {"thousands": "."}, "12.5"),
        (["1,5", "2.5", "3,5"], {"decimal": ","}, "2.5"),
        (["1,234", "12,5"], {"decimal": ".", "thousands": ","}, "12,5"),
    ],
)
def test_what_the_spec_says_of_numbers_holds_in_the_first_rows_too(
    tmp_path: Path, cells: list[str], said: dict[str, str], wrong: str
) -> None:
    text, row = table(";", {"n": cells}), cells.index(wrong) + 1
    with pytest.raises(SourceError, match=rf"d.csv, data row {row}: the numbers of column 'n' are .*here is"):
        written(tmp_path, text, **said)
    assert written(tmp_path, text, **said, types={"n": "string"})["n"].to_pylist() == cells
    assert written(tmp_path, text, **said, nulls=[wrong])["n"].null_count == 1


def test_a_column_that_is_all_written_otherwise_than_the_spec_says_is_told(tmp_path: Path) -> None:
    text = table(";", {"p": ["1,5", "2,5"], "lat": ["48.1372", "52.5200"], "v": ["1.2.3", "10.20.30"]})
    found = written(tmp_path, text, decimal=",")
    assert (found["p"][0].as_py(), found["lat"][0].as_py(), found["v"][0].as_py()) == (1.5, 48.1372, "1.2.3")
    plan = make_plan(spec_of(str(tmp_path / "d.csv"), "y", source={"decimal": ","}))
    assert "cells in 'lat' (such as '48.1372') not written as source.decimal" in plan.profile.written


@pytest.mark.parametrize(
    ("delimiter", "cells", "other"),
    [
        (",", ["101,202", "303,404,505", "101"], "1.5"),
        (",", ["101,202", "303,404", "505,606"], "7"),
        (",", ["28,12", "16,35", "12"], "1.5"),
        (",", ["110 000", "110 001", "560 034"], "1.5"),
        (";", ["110 000", "110 001", "560 034"], "1,5"),
        (",", ["1.100.200", "1.101.300", "2.100.111"], "1.5"),
        (";", ["1.100.200", "1.101.300", "2.100.111"], "7"),
    ],
)
def test_lists_versions_and_codes_in_groups_are_no_numbers(
    tmp_path: Path, delimiter: str, cells: list[str], other: str
) -> None:
    text = table(delimiter, {"p": cells, "q": [other] * 3, "r": ["7", "8", "9"]})
    assert written(tmp_path, text)["p"].to_pylist() == cells
    [note] = notes(tmp_path)
    assert f"cells in 'p' (such as {cells[0]!r}) taken for text, not for numbers (source.types says otherwise)" in note
    assert str(written(tmp_path, text, types={"p": "number"})["p"].type) == "double"


@pytest.mark.parametrize(
    ("delimiter", "cells", "other", "right"),
    [
        (",", ["1,234", "101,202", "303,404"], "1.5", [1234, 101202, 303404]),
        (",", ["101,002", "303,404", "505,606"], "1.5", [101002, 303404, 505606]),
        (",", ["28,12", "16,35", "12,5"], "7", [28.12, 16.35, 12.5]),
        (";", ["1.100.200", "1.101.300", "2.100.111"], "1,5", [1100200, 1101300, 2100111]),
        (";", ["1.000.200", "1.101.300", "2.100.111"], "7", [1000200, 1101300, 2100111]),
        (",", ["1 234", "110 000", "560 034"], "1.5", [1234, 110000, 560034]),
    ],
)
def test_numbers_in_groups_that_are_no_codes_stay_numbers(
    tmp_path: Path, delimiter: str, cells: list[str], other: str, right: list[float]
) -> None:
    assert written(tmp_path, table(delimiter, {"p": cells, "q": [other] * 3}))["p"].to_pylist() == right
    said = {"thousands": " "} if " " in cells[0] else {}
    assert written(tmp_path, table(delimiter, {"p": cells, "q": [other] * 3}), **said)["p"].to_pylist() == right


def test_a_file_does_not_follow_one_that_is_cut_in_another_way(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(table(";", {"p": ["1.234,5", "2,5"], "q": ["1,5", "2,5"]}))
    (tmp_path / "b.csv").write_text(table(",", {"p": ["1.234", "2.345"], "q": ["7", "8"]}))
    assert read(tmp_path)["p"].to_pylist() == [1234.5, 2.5, 1.234, 2.345]


@pytest.mark.parametrize(
    ("delimiter", "later", "said"),
    [
        (";", ["12,5"], {"decimal": ","}),
        (";", ["1.234,5", "7", "8,25"], {"decimal": ","}),
        (",", ["1,234", "2,500"], {"decimal": ".", "thousands": ","}),
        ("\t", ["1 234"], {"decimal": ".", "thousands": " "}),
    ],
)
def test_a_style_that_shows_itself_far_down_is_refused_and_can_be_said(
    tmp_path: Path, delimiter: str, later: list[str], said: dict[str, str]
) -> None:
    cells = ["12", "34"] * HEAD + later
    with pytest.raises(SourceError, match=r"d.csv, data row 1,101: column 'p' holds plain numbers in the first"):
        written(tmp_path, table(delimiter, {"p": cells}))
    assert written(tmp_path, table(delimiter, {"p": cells}), types={"p": "string"})["p"].to_pylist() == cells
    assert str(written(tmp_path, table(delimiter, {"p": cells}), **said)["p"].type) in ("double", "int64")


@pytest.mark.parametrize("later", [["28,12,16"], ["12,5", "word"], ["007"], ["12,5", "1.234,5,6"], ["+4917012345"]])
def test_text_that_shows_itself_far_down_is_text(tmp_path: Path, later: list[str]) -> None:
    cells = ["12", "34"] * HEAD + later
    assert written(tmp_path, table(";", {"p": cells}))["p"].to_pylist() == cells


def test_a_style_that_shows_itself_in_another_block_is_refused(tmp_path: Path) -> None:
    cells = ["12", "34"] * 600_000 + ["12,5", "7"]
    with pytest.raises(SourceError, match="data row 1,200,001: column 'p' holds plain numbers .* but here is '12,5'"):
        written(tmp_path, table(";", {"p": cells, "q": ["0123456789"] * len(cells)}))


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize(
    "cells",
    [
        ["+49 301 234 567", "+49 301 234 568", "+1 301 234 567"],
        ["+49.301.234.567", "+49.301.234.568", "+1.301.234.567"],
        ["+49 301 234 567", "301 234 567", "1 301 234 567"],
        ["+49 301", "+1 302", "+44 303"],
    ],
)
def test_telephone_numbers_are_text(tmp_path: Path, delimiter: str, cells: list[str]) -> None:
    other = ["1.5", "2.5", "3.5"] if delimiter == "," else ["1,5", "2,5", "3,5"]
    assert written(tmp_path, table(delimiter, {"p": cells, "q": other}))["p"].to_pylist() == cells
