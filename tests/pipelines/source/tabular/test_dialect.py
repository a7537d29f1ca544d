"""How delimited files are written is found out, or said; no row is taken for a header, no blank or zero is lost."""

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.display import plan_notes
from pipelines.plan.planning import make_plan
from pipelines.source import profile_source, read_source
from pipelines.source.tabular.cleaner import MARK, Cleaner
from pipelines.source.tabular.dialect import Dialect
from schemas.errors import SourceError, SpecError
from schemas.spec import Source
from tests.hostile.promise import spec_of
from tests.pipelines.test_round_trip import published

ROWS = [(26, 57.35, "red", "yes"), (34, 12.67, "green", "no"), (48, 1065.5, "red", "no"), (24, 49.3, "green", "no")]
HEADER = ("age", "amount", "colour", "y")


def read(path: Path, **options: Any) -> pa.Table:
    source = Source(path=str(path), **{"label": "y", **options})
    return pa.concat_tables(read_source(source, profile_source(source, [source.label]))).drop_columns("_row")


def written(tmp_path: Path, text: str | bytes, name: str = "d.csv", **options: Any) -> pa.Table:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read(path, **options)


def _text(delimiter: str, mark: str = ".", group: str = "") -> str:
    number = lambda value: f"{value:,.2f}".replace(",", "\0").replace(".", mark).replace("\0", group)  # noqa: E731
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([HEADER, *((a, number(b), c, d) for a, b, c, d in ROWS)])
    return out.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
@pytest.mark.parametrize(("mark", "group"), [(".", ""), (",", ""), (",", "."), (".", ","), (",", " "), (".", "'")])
@pytest.mark.parametrize("name", ["d.csv", "d.tsv"])
def test_delimiters_and_decimal_marks_are_found_out(
    tmp_path: Path, delimiter: str, mark: str, group: str, name: str
) -> None:
    found = written(tmp_path, _text(delimiter, mark, group), name)
    assert [tuple(row.values()) for row in found.to_pylist()] == ROWS


@pytest.mark.parametrize(
    ("name", "delimiter", "mark", "told"),
    [
        ("d.csv", ",", ".", []),
        ("d.tsv", "\t", ".", []),
        ("d.csv", ";", ",", ["The source is written with semicolons between cells, decimal commas in 'amount'."]),
        ("d.tsv", ",", ".", ["The source is written with commas between cells."]),
    ],
)
def test_the_plan_says_how_a_file_is_written_that_is_not_as_its_name_says(
    tmp_path: Path, name: str, delimiter: str, mark: str, told: list[str]
) -> None:
    (tmp_path / name).write_text(_text(delimiter, mark))
    notes = plan_notes(make_plan(spec_of(str(tmp_path / name), "y")))
    assert [note for note in notes if "written" in note] == told


def test_a_table_says_its_delimiter_and_begins_with_comments(tmp_path: Path) -> None:
    plain = written(tmp_path, "a,b,y\n1,x;y,u\n2,z,v\n")
    for before in ("sep=;\n", '"sep=;"\r\n', "# made by hand\n# twice; over\n", "sep=;\n# a; b; c; d\n"):
        assert written(tmp_path, before + "a;b;y\n1;x;u\n2;z;v\n")["b"].to_pylist() == ["x", "z"]
    assert plain["b"].to_pylist() == ["x;y", "z"]
    assert written(tmp_path, "#a,b,y\n1,x,u\n2,z,v\n").column_names == ["#a", "b", "y"]
    text = '%% one\na,b,y\n%% two\n1,"x\n%% no comment",u\n2,z,v\n%% end'
    assert written(tmp_path, text, comment="%%")["b"].to_pylist() == ["x\n%% no comment", "z"]


def test_what_the_spec_says_goes_before_what_is_found(tmp_path: Path) -> None:
    odd = "a~b~y\n1~'x~y'~u\n2~z~v\n"
    assert written(tmp_path, odd, delimiter="~", quote="'")["b"].to_pylist() == ["x~y", "z"]
    assert written(tmp_path, 'a;b;y\n1;"x";u\n2;z;v\n', quote="")["b"].to_pylist() == ['"x"', "z"]
    assert written(tmp_path, 'a,y\n"1,234",u\n"2,500",v\n')["a"].to_pylist() == [1234, 2500]
    assert written(tmp_path, 'a,y\n"1,234",u\n"2,500",v\n', decimal=",")["a"].to_pylist() == [1.234, 2.5]
    assert written(tmp_path, 'a,y\n"1,234",u\n"2,500",v\n', types={"a": "string"})["a"].to_pylist() == [
        "1,234",
        "2,500",
    ]
    assert written(tmp_path, "a;y\n1_000,5;u\n2_000;v\n", thousands="_")["a"].to_pylist() == [1000.5, 2000.0]


def test_numbers_of_another_style_further_down_are_refused_and_not_mixed(tmp_path: Path) -> None:
    rows = "".join(f"{number},5;{'uv'[number % 2]}\n" for number in range(2_000))
    with pytest.raises(
        SourceError, match=r"data row 2,001: the numbers of column 'a' have the decimal mark ','.*'word'"
    ):
        written(tmp_path, f"a;y\n{rows}word;u\n")
    assert written(tmp_path, f"a;y\n{rows}NA;u\n")["a"].null_count == 1
    kept = written(tmp_path, f"a;y\n{rows}word;u\n", types={"a": "string"})["a"]
    assert (kept[0].as_py(), kept[2000].as_py()) == ("0,5", "word")


def test_tsv_quotes_are_syntax_where_cells_need_them(tmp_path: Path) -> None:
    out = io.StringIO(newline="")
    cells = ['he said "hi"', "two\nlines", "a\ttab", "plain", '"quoted"', ""]
    csv.writer(out, delimiter="\t", lineterminator="\n").writerows(
        [("t", "y"), *((cell, "ab"[len(cell) % 2]) for cell in cells)]
    )
    assert written(tmp_path, out.getvalue(), "d.tsv")["t"].to_pylist() == [*cells[:-1], None]
    literal = 't\ty\n"Hello\ta\nsay "hi"\tb\n"whole"\tb\n'
    assert written(tmp_path, literal, "d.tsv")["t"].to_pylist() == ['"Hello', 'say "hi"', '"whole"']
    assert written(tmp_path, 't\ty\n"whole"\tb\nx\ta\n', "d.tsv", quote='"')["t"].to_pylist() == ["whole", "x"]
    assert written(tmp_path, '"t"\t"y"\n"whole"\t"b"\n"x"\t"a"\n', "d.tsv")["t"].to_pylist() == ["whole", "x"]


def test_blanks_in_quotation_marks_stay(tmp_path: Path) -> None:
    text = 'a, b ,n,t,y\n" x ", x ," 5","NA ",u\n"y"" ",z,6 ," ",v\n'
    rows = [tuple(row.values()) for row in written(tmp_path, text).to_pylist()]
    assert rows == [(" x ", "x", 5, None, "u"), ('y" ', "z", 6, None, "v")]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text('ab" ,\n\t', max_size=6), min_size=1, max_size=8), st.integers(1, 7))
def test_marks_stand_at_the_blanks_within_quotes_however_a_file_is_cut(cells: list[str], size: int) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(cells)
    data = out.getvalue().encode()
    cleaner = Cleaner(Dialect("utf-8", ",", '"', None, 0, 0, [], False, {}))
    starts = range(0, len(data), size)
    got = b"".join(cleaner(data[at : at + size], last=at + size >= len(data)) for at in starts).decode()
    assert got.replace(MARK, "") == data.decode()
    [row] = csv.reader(io.StringIO(got, newline=""))
    for cell, found in zip(cells, row, strict=True):
        assert found.strip(" \t").replace(MARK, "") == cell


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    found = written(tmp_path, "#note\nx,y\né,a\n日本,b\n".encode(encoding))
    assert (found.column_names, found["x"].to_pylist()) == (["x", "y"], ["é", "日本"])


def test_other_encodings_are_guessed_in_the_message_and_said_in_the_spec(tmp_path: Path) -> None:
    words = ["Müller", "Größe", "naïve café", "señor"] * 30
    data = ("x,y\n" + "".join(f"{word},{'ab'[row % 2]}\n" for row, word in enumerate(words))).encode("cp1252")
    with pytest.raises(SourceError, match=r"is not UTF-8: byte 0xfc at offset 5; .* or set source.encoding: cp1252"):
        written(tmp_path, data)
    assert written(tmp_path, data, encoding="cp1252")["x"].to_pylist() == words
    with pytest.raises(SpecError, match="no encoding of that name is known, got 'latin99'"):
        spec_of(tmp_path / "d.csv", source={"encoding": "latin99"})
    with pytest.raises(SourceError, match="is not all ascii"):
        written(tmp_path, data, encoding="ascii")
    lines = '{"x": "é", "y": "a"}\n{"x": "ü", "y": "b"}\n'.encode("latin-1")
    assert written(tmp_path, lines, "d.jsonl", encoding="latin-1")["x"].to_pylist() == ["é", "ü"]


NUMBERS = "30,64,1,1\n30,62,3,1\n30,65,0,1\n31,59,2,2\n31,65,4,1\n34,60,1,2\n"


def test_no_row_is_taken_for_a_header(tmp_path: Path) -> None:
    found = written(tmp_path, NUMBERS, label="column_4")
    assert found.column_names == [f"column_{number}" for number in range(1, 5)]
    assert found.num_rows == 6
    with pytest.raises(
        SpecError, match=r"no column 'status'.*first row \(30, 64, 1, 1\) looks like data.*source.header"
    ):
        written(tmp_path, NUMBERS, label="status")
    mixed = "1.5,red,yes\n2.5,green,no\n0.5,red,no\n1.0,green,yes\n"
    assert written(tmp_path, mixed, label="column_3").num_rows == 4


@pytest.mark.parametrize(
    "header",
    ["age,amount,colour,kind", "1,2,3,4", "0,1,2,3", "2019,2020,2021,2022", "id,1,2,3"],
)
def test_names_of_columns_are_no_data(tmp_path: Path, header: str) -> None:
    source = Source(path=str(tmp_path / "d.csv"), label="nothing")
    (tmp_path / "d.csv").write_text(f"{header}\n{NUMBERS}")
    with pytest.raises(SpecError) as caught:
        profile_source(source, ["nothing"])
    assert "looks like data" not in str(caught.value)
    label = header.split(",")[-1]
    assert written(tmp_path, f"{header}\n{NUMBERS}", label=label).num_rows == 6


@pytest.mark.parametrize("name", ["d.csv", "d.jsonl"])
@pytest.mark.parametrize(
    ("cells", "stored"),
    [
        (["907992616259595386", "1.5", "1e3", "-0.25"], "decimal128(38, 2)"),
        (["0.12345678901234567890123", "7", "1.5", "2"], "decimal128(38, 23)"),
        (["123456789012345678901234567890123456789.5", "0.25", "1", "2"], "decimal256(76, 2)"),
        (["0.30000000000000004", "0.1", "1.7976931348623157e308", "5e-324"], None),
        (["0.10000000000000000555", "0.1000", "1.5", "2.000000000000000000000"], None),
        (["9007199254740993", "1.5", "3.25", "2"], "decimal128(38, 2)"),
    ],
)
def test_digits_that_a_double_would_lose_are_kept(
    tmp_path: Path, name: str, cells: list[str], stored: str | None
) -> None:
    lines = [f'{{"x": {cell}, "y": "{"ab"[row % 2]}"}}' for row, cell in enumerate(cells)]
    rows = ["x,y", *(f"{cell},{'ab'[row % 2]}" for row, cell in enumerate(cells))]
    (tmp_path / name).write_text("\n".join(lines if name.endswith("jsonl") else rows))
    spec = spec_of(tmp_path / name)
    plan = make_plan(spec)
    assert (plan.profile.column("x").type, plan.profile.column("x").stored) == ("double", stored)
    found = [str(cell) for cell in published(plan, tmp_path, spec)["x"].to_pylist()]
    assert [Decimal(cell) for cell in found] == [
        Decimal(cell) if stored else Decimal(str(float(cell))) for cell in cells
    ]
    declared = make_plan(spec_of(tmp_path / name, source={"types": {"x": "number"}}))
    assert declared.profile.column("x").stored is None


def test_numbers_with_too_many_digits_for_any_type_are_text(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(f"x,y\n{'1' * 70}.{'3' * 20},a\n1.5,b\n")
    profile = profile_source(Source(path=str(tmp_path / "d.csv"), label="y"), ["y"])
    assert profile.column("x").type == "string"
    assert "a double would lose digits" in str(profile.column("x").changed)


@pytest.mark.parametrize("names", [["1", "2", "3", "4"], ["7", "3", "12", "5"], ["Mazda RX4", "Fiat 128", "vw", "bmw"]])
@pytest.mark.parametrize("file", ["d.csv", "d.txt"])
def test_what_write_table_of_r_writes(tmp_path: Path, names: list[str], file: str) -> None:
    rows = [f'"{name}" {number}.5 NA "say \\"{name}\\" b" "{"ab"[number % 2]}"' for number, name in enumerate(names)]
    text = "\n".join(['"x" "empty" "text" "y"', *rows]) + "\n"
    found = written(tmp_path, text, file)
    assert [str(name) for name in found["column_1"].to_pylist()] == names
    assert (found["x"].to_pylist(), found["y"].to_pylist()) == ([0.5, 1.5, 2.5, 3.5], ["a", "b", "a", "b"])
    assert found["text"].to_pylist() == [f'say "{name}" b' for name in names]
    assert found["empty"].null_count == 4
    plain = text.replace('"x"', '"row" "x"', 1)
    assert written(tmp_path, plain, file).column_names == ["row", "x", "empty", "text", "y"]
