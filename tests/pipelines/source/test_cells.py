"""Raw cells and their places; names of columns that cannot be used are refused in words."""

import pyarrow as pa
import pytest

from pipelines.source.cells import MAX_COLUMNS, RESERVED, Block, Cells, check_chosen, check_names, numbered, texts
from schemas.errors import SourceError, SpecError
from schemas.spec import Source


def test_arrays_of_buffers_are_those_of_pyarrow():
    assert numbered(7, 3).equals(pa.array([7, 8, 9], pa.int64()))
    assert numbered(0, 0).equals(pa.array([], pa.int64()))
    assert texts(["a", "", "täble"]).equals(pa.array(["a", "", "täble"]))


def test_a_row_is_named_by_its_file_and_its_number_there():
    block = Block(Cells({}, {}, 2), numbered(1_100, 2), "b.csv", 100)
    assert block.place(1) == "b.csv, data row 1,002"


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a", "b", "a"], "t.csv: more than one column is named 'a'; give each column a name of its own, as said"),
        (["a", "_row"], "t.csv: the column name '_row' is reserved for makeweight's own columns"),
        (["a\ud800"], "holds half a surrogate pair, which is no character; mend it"),
        ([str(number) for number in range(MAX_COLUMNS + 1)], "10,001 columns, more than 10,000; are these values"),
    ],
)
def test_names_that_cannot_be_columns_are_refused(names, told):
    with pytest.raises(SourceError) as refused:
        check_names(names, "t.csv", ", as said")
    assert told in str(refused.value)


def test_every_name_of_our_own_columns_is_reserved():
    assert {"_id", "_origin", "_generator", "_seed", "_parent", "_stratum", "_row"} <= RESERVED
    check_names(["id", "origin", "x" * 300], "t.csv")


def test_each_chosen_column_that_is_not_there_is_told_with_its_place():
    source = Source(path="t.csv", label="y", columns=["a", "y"], drop=["agee"], carry=["b"])
    with pytest.raises(SpecError) as refused:
        check_chosen(["age", "b", "y"], source)
    lines = str(refused.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["source.columns", "source.drop"]
    assert lines[1].endswith("the source has no column 'agee'; did you mean 'age'?")
    check_chosen(["a", "agee", "b", "y"], source)
