"""Quotation marks with backslashes before them, and quoting that begins far down: found out, or refused with both ways.

Nothing of it changes files in which backslashes are letters.
"""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.display import plan_notes
from pipelines.plan.planning import make_plan
from pipelines.source.tabular.cleaner import Cleaner
from pipelines.source.tabular.dialect import Dialect
from pipelines.source.tabular.escapes import ESCAPED, unescaped
from schemas.errors import SourceError
from tests.hostile.promise import spec_of
from tests.pipelines.source.tabular.test_dialect import written

BEYOND = 300_000
"""Times that two short rows take the file beyond what is looked at first."""


@pytest.mark.parametrize(("name", "delimiter"), [("d.csv", ","), ("d.csv", ";"), ("d.csv", "\t"), ("d.tsv", "\t")])
@pytest.mark.parametrize(
    ("cell", "right"),
    [
        (r'"say \"hi\" bob"', 'say "hi" bob'),
        (r'"say \"hi\"; or, \"ho\""', 'say "hi"; or, "ho"'),
        (r'"C:\dir \"x\""', 'C:\\dir "x"'),
        (r'"C:\\dir"', r"C:\\dir"),
        ('"C:\\"', "C:\\"),
        ('"he ""said"" it"', 'he "said" it'),
    ],
)
def test_marks_with_backslashes_are_marks(tmp_path: Path, name: str, delimiter: str, cell: str, right: str) -> None:
    text = "".join(delimiter.join(row) + "\n" for row in [("t", "n", "y"), (cell, "5", "a"), ("x", "6", "b")])
    if name == "d.tsv" and ('""' not in cell and r"\"" not in cell[:-2]):
        right = cell  # of a TSV, marks that nothing needs are letters
    assert written(tmp_path, text, name)["t"].to_pylist() == [right, "x"]
    told = any("backslashes before" in note for note in plan_notes(make_plan(spec_of(str(tmp_path / name), "y"))))
    assert told == (r"\"" in cell and not cell.endswith('\\"'))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text('ab" ,\\\n', max_size=5), min_size=1, max_size=6), st.integers(1, 5))
def test_escapes_are_read_however_a_file_is_cut(cells: list[str], size: int) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, escapechar="\\", doublequote=False, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(cells)
    data = out.getvalue().encode()
    cleaner = Cleaner(Dialect("utf-8", ",", '"', None, 0, 0, [], False, None, escape="all"))  # type: ignore[arg-type]
    starts = range(0, len(data), size)
    got = b"".join(cleaner(data[at : at + size], last=at + size >= len(data)) for at in starts).decode()
    [row] = csv.reader(io.StringIO(got.replace("\uffff", ""), newline=""))
    assert [cell.replace(ESCAPED, '"') for cell in row] == cells
    assert unescaped(data, "all").decode() == got.replace("\uffff", "")


def test_what_python_writes_with_an_escape_character_comes_back(tmp_path: Path) -> None:
    rows = [('say "hi"', "a"), ("C:\\dir", "b"), ('x, "y"\\', "a")]
    out = io.StringIO(newline="")
    csv.writer(out, escapechar="\\", doublequote=False, lineterminator="\n").writerows([("t", "y"), *rows])
    assert written(tmp_path, out.getvalue())["t"].to_pylist() == [row[0] for row in rows]


@pytest.mark.parametrize(
    ("name", "last", "message", "ways"),
    [
        (
            "d.csv",
            '"say \\"hi\\" bob",a\n',
            r"d.csv: a quoted cell holds a mark with a backslash .* set source.escape: ",
            {"\\": 'say "hi" bob'},
        ),
        (
            "d.tsv",
            '"say ""hi"" bob"\ta\n',
            r"d.tsv: cells far down are quoted, .* set source.quote: ",
            {'"': 'say "hi" bob', "": '"say ""hi"" bob"'},
        ),
        (
            "d.tsv",
            '"say \\"hi\\" bob"\ta\n',
            r"d.tsv: cells far down are quoted, .* set source.quote: ",
            {"": '"say \\"hi\\" bob"'},
        ),
        ("d.tsv", '"a\nb"\ta\n', r"d.tsv: cells far down are quoted, .* set source.quote: ", {'"': "a\nb"}),
    ],
)
def test_what_shows_itself_far_down_is_refused_and_can_be_said(
    tmp_path: Path, name: str, last: str, message: str, ways: dict[str, Any]
) -> None:
    delimiter = "\t" if name.endswith("tsv") else ","
    text = f"t{delimiter}y\n" + f"x{delimiter}a\nz{delimiter}b\n" * BEYOND + last
    with pytest.raises(SourceError, match=message):
        written(tmp_path, text, name)
    for way, right in ways.items():
        said = {"quote" if delimiter == "\t" else "escape": way}
        assert written(tmp_path, text, name, **said)["t"][-1].as_py() == right


def test_quotation_marks_that_are_letters_stay_so_far_down(tmp_path: Path) -> None:
    text = "t\ty\n" + "x\ta\nz\tb\n" * BEYOND + '"say hi" bob\ta\n5" wide\tb\n'
    assert written(tmp_path, text, "d.tsv")["t"].to_pylist()[-2:] == ['"say hi" bob', '5" wide']


def test_escapes_far_down_in_a_tsv_can_be_said(tmp_path: Path) -> None:
    text = "t\ty\n" + "x\ta\nz\tb\n" * BEYOND + '"say \\"hi\\" bob"\ta\n'
    assert written(tmp_path, text, "d.tsv", quote='"', escape="\\")["t"][-1].as_py() == 'say "hi" bob'
