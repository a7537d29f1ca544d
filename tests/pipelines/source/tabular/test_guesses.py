"""Files that are no plain table: what they are is said, with the way out; row names and odd first rows are read."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from flows.display import plan_notes
from pipelines.plan.planning import make_plan
from pipelines.plan.propose import propose
from pipelines.source.tabular.guesses import guessed_encoding
from schemas.errors import MakeweightError, SourceError
from tests.hostile.promise import spec_of
from tests.pipelines.source.tabular.test_dialect import read, written

FRENCH = "Le café est fermé à Noël, où l'élève a mangé une crêpe près de la forêt; ça suffit."
RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю. Москва столица России."
POLISH = "Zażółć gęślą jaźń, Łódź i Kraków są piękne; proszę przyjść wcześniej."
GERMAN = "Müller fährt über die größte Straße nach Köln."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (FRENCH, "cp1252"),
        ("caf\u00e9", "cp1252"),
        (GERMAN, "cp1252"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (POLISH, "cp1250"),
        ("日本語のテキストです。東京は日本の首都。" * 3, "shift-jis"),
        ("这是一个中文句子北京是中国的首都。" * 3, "gb18030"),
    ],
)
def test_an_encoding_is_guessed_by_the_words_that_it_makes(tmp_path: Path, text: str, encoding: str) -> None:
    rows = [f"{word},{number % 3},{'ab'[number % 2]}\n" for number, word in enumerate(text.replace(",", "").split())]
    data = ("t,n,y\n" + "".join(rows * 3)).encode(encoding)
    (tmp_path / "d.csv").write_bytes(data)
    with pytest.raises(SourceError, match=r"or set source.encoding: [\w-]+ \(") as error:
        read(tmp_path / "d.csv")
    guess = error.value.advice.value
    assert data.decode(guess) == data.decode(encoding)
    assert guess == encoding or encoding in ("shift-jis", "gb18030")


def test_a_guess_is_made_of_any_bytes() -> None:
    for data in (b"", b"\x81", bytes(range(128, 256)), b"\xff\xfe\x00" * 100, b"\xe9 \xe9 \xe9 \xe9 \xe9"):
        assert b"a".decode(guessed_encoding(data)) == "a"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04 and so on", r"d.csv: is no delimited table but an Excel workbook or a .zip archive: save"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", r"but a page of HTML or XML, .* fetch it again"),
        (b"\n <html>\n<table>", r"but a page of HTML"),
        (b"PAR1 and so on", r"but a Parquet file: set source.format to parquet"),
        (gzip.compress(b"a,y\n1,u\n", mtime=0), r"packed with gzip: let its name end in .gz"),
        (b"Report of 2024\na,b,y\n1,x,u\n2,z,v\n3,z,v\n", r"first line, 'Report of 2024', is no header of the 3"),
        (b"a b y\n1 x u\n2 z v\n", r"parted by blanks: set source.delimiter: \" \""),
        ("\ufeffa,y\né,u\nb,v\n".encode(), None),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_by_what_it_is(tmp_path: Path, data: bytes, message: str | None) -> None:
    (tmp_path / "d.csv").write_bytes(data)
    if message:
        with pytest.raises(MakeweightError, match=message):
            read(tmp_path / "d.csv")
        return
    with pytest.raises(MakeweightError, match=r"begins with the mark of UTF-8, and source.encoding says cp1252; leave"):
        read(tmp_path / "d.csv", encoding="cp1252")
    assert read(tmp_path / "d.csv").column_names == ["a", "y"]


def test_a_packed_file_of_nothing_is_no_empty_table(tmp_path: Path) -> None:
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(b"a,y\n1,u\n")[:12])
    with pytest.raises(SourceError, match=r"d.csv.gz: .*(cut short|fetch it again)"):
        read(tmp_path / "d.csv.gz")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("names", [["1", "2", "3", "4"], ["Mazda", "Datsun", "Hornet", "Valiant"]])
def test_row_names_of_r_are_an_id(tmp_path: Path, delimiter: str, names: list[str]) -> None:
    cells = [[f'"{name}"', str(number % 3), "ab"[number % 2]] for number, name in enumerate(names)]
    text = "".join(delimiter.join(row) + "\n" for row in [['"n"', '"y"'], *cells])
    found = written(tmp_path, text)
    assert found["n"].to_pylist() == [0, 1, 2, 0]
    assert found["column_1"].to_pylist() == (list(map(int, names)) if names[0] == "1" else names)


@pytest.mark.parametrize("text", ["p,y\n1,5,a\n2,5,b\n2,5,a\n7,5,b\n", "p,y\n1,a,\n2,b,\n3,a,\n4,b,\n"])
def test_rows_of_a_cell_too_many_are_no_row_names(tmp_path: Path, text: str) -> None:
    with pytest.raises(SourceError, match=r"has 3 cells, expected 2"):
        written(tmp_path, text)


def test_a_first_row_that_says_a_word_twice_is_no_header(tmp_path: Path) -> None:
    rows = [
        ("e", "s", "y", "y", "t"),
        ("p", "s", "y", "n", "t"),
        ("e", "b", "n", "y", "f"),
        ("p", "b", "y", "n", "f"),
    ] * 5
    (tmp_path / "d.csv").write_text("".join(",".join(row) + "\n" for row in rows))
    proposal = propose(str(tmp_path / "d.csv"), out=str(tmp_path / "spec.yaml"), label="column_1")
    assert proposal.plan.profile.rows == 20
    (tmp_path / "e.csv").write_text("a,a,y\n1,2,u\n3,4,v\n5,6,v\n")
    with pytest.raises(SourceError, match=r"more than one column is named 'a'; .* without a header row needs source.h"):
        read(tmp_path / "e.csv")


def test_the_plan_says_how_each_file_of_a_folder_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("p,q,y\n1,2.5,a\n3,2.5,b\n")
    (tmp_path / "b.csv").write_text("p;q;y\n1;2,5;a\n2;2,5;b\n")
    notes: list[Any] = plan_notes(make_plan(spec_of(str(tmp_path), "y")))
    told = "nothing unusual in a.csv; semicolons between cells, decimal commas in 'q' in b.csv"
    assert f"The source is written with {told}." in notes


TABLE = "n\tw\ty\n1\tx y\ta\n3\tz, w\tb\n2\tv\ta\n"


@pytest.mark.parametrize("name", ["d.txt", "d.dat", "d.data"])
@pytest.mark.parametrize("format_", [None, "tsv", "csv"])
def test_a_table_in_a_text_file_is_read(tmp_path: Path, name: str, format_: str | None) -> None:
    (tmp_path / name).write_text(TABLE)
    if name == "d.txt" or format_:
        assert read(tmp_path / name, format=format_)["n"].to_pylist() == [1, 3, 2]
    folder = tmp_path / "folder"
    folder.mkdir()
    for one in ("a", "b"):
        (folder / name.replace("d.", f"{one}.")).write_text(TABLE)
    if format_:
        assert read(folder, format=format_)["n"].to_pylist() == [1, 3, 2] * 2


def test_one_text_is_refused_with_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "d.txt").write_text("Once upon a time, there was\na table that was none.\nIt, so to speak, ran away.\n")
    with pytest.raises(SourceError, match=r"one file of texts is no dataset.*set source.format to csv or tsv"):
        read(tmp_path / "d.txt")


HEBREW = "שלום עולם זה משפט בעברית ירושלים תל אביב חיפה"
TURKISH = "İstanbul şehir büyük ağaç ışık güneş çiçek öğrenci"  # noqa: RUF001 (its own letters)


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        (HEBREW, "cp1255", ["cp1251"]),
        ("مرحبا بالعالم هذا نص باللغة العربية القاهرة", "cp1256", ["cp874"]),
        ("สวัสดี ชาวโลก กรุงเทพ ประเทศไทย เชียงใหม่ ภูเก็ต", "cp874", ["cp1251"]),
        (TURKISH, "cp1254", ["cp1252", "cp1250"]),
        ("Rīga ģimene šķiet žurnāls kaķis ābols ąžuolas ėjo", "cp1257", ["cp1252"]),
        ("Müller fährt über die größte Straße nach Köln", "cp850", ["cp1252"]),
        ("Καλημέρα κόσμε αυτό είναι ένα κείμενο Αθήνα", "cp1253", ["cp1251"]),
        (POLISH, "cp1250", ["cp1252"]),
    ],
)
@pytest.mark.parametrize("name", ["d.csv", "d.jsonl"])
def test_several_encodings_are_named_with_how_a_word_reads(
    tmp_path: Path, text: str, encoding: str, shown: list[str], name: str
) -> None:
    words = text.replace(",", "").split()
    rows = [f"{word},{'ab'[number % 2]}\n" for number, word in enumerate(words)]
    lines = [f'{{"t": "{text}", "y": "a"}}\n', f'{{"t": "{text}", "y": "b"}}\n']
    (tmp_path / name).write_bytes("".join(lines if name == "d.jsonl" else ["t,y\n", *rows]).encode(encoding))
    with pytest.raises(SourceError, match=f"set source.encoding: {encoding} ") as error:
        read(tmp_path / name)
    told = str(error.value).split("a word in it reads ")[1].partition(")")[0]
    readings = dict(reversed(one.rsplit(" in ", 1)) for one in told.split(", "))
    assert 1 < len(readings) <= 4
    assert readings[encoding].strip("'") in text
    assert {*shown} <= {*readings}
    assert readings[shown[0]].strip("'") not in text
    assert read(tmp_path / name, encoding=encoding)["t"][0].as_py() in (text, words[0])
