"""The type of a column is the narrowest that keeps its texts."""

import datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.source import read_source
from tests.pipelines.source.tabular.test_delimited import cells, profiled


@pytest.mark.parametrize(
    ("texts", "kind", "expected"),
    [
        (["1", " 2", "-3 ", "?", ""], "int64", [1, 2, -3, None, None]),
        (["1", "2.5", "NA", "1e3"], "double", [1.0, 2.5, None, 1000.0]),
        (["true", "False", "TRUE", ""], "bool", [True, False, True, None]),
        (["yes", "no", "yes"], "string", ["yes", "no", "yes"]),
        (["0", "1", "0"], "int64", [0, 1, 0]),
        (["true", "1", "0"], "string", ["true", "1", "0"]),
        (["00123", "045", "7"], "string", ["00123", "045", "7"]),
        (["0", "-0", "0.5"], "double", [0.0, -0.0, 0.5]),
        (["0x1F", "12", "13"], "string", ["0x1F", "12", "13"]),
        (["12345678901234567890", "1", "2"], "string", ["12345678901234567890", "1", "2"]),
        (["9223372036854775807", "-9223372036854775808"], "int64", [2**63 - 1, -(2**63)]),
        (["1", "2", "word"], "string", ["1", "2", "word"]),
        (["", "?", "NA"], "string", [None, None, None]),
        (
            ["2020-01-02", "", "1999-12-31"],
            "date32[day]",
            [datetime.date(2020, 1, 2), None, datetime.date(1999, 12, 31)],
        ),
        (["01/02/2020", "03/04/2021"], "string", ["01/02/2020", "03/04/2021"]),
        (["0000-01-01", "2020-01-01"], "string", ["0000-01-01", "2020-01-01"]),
        (["inf word", "nan"], "string", ["inf word", None]),
    ],
)
def test_a_column_gets_the_narrowest_type_that_keeps_its_texts(
    tmp_path: Path, texts: list[str], kind: str, expected: list[Any]
) -> None:
    column, values = cells(tmp_path, *texts)
    assert (column.type, values) == (kind, expected)
    assert column.nulls == expected.count(None)


def test_times_with_and_without_a_zone(tmp_path: Path) -> None:
    column, values = cells(tmp_path, "2020-01-02", "2020-01-02T03:04:05.5")
    assert column.type == "timestamp[us]"
    assert values[1] == datetime.datetime(2020, 1, 2, 3, 4, 5, 500_000)
    assert (column.minimum, column.maximum) == ("2020-01-02T00:00:00", "2020-01-02T03:04:05.500000")
    column, values = cells(tmp_path, "2020-01-02T03:04:05Z", "2020-01-02T03:04:05+02:00")
    assert column.type == "timestamp[us, tz=UTC]"
    assert values[1].isoformat() == "2020-01-02T01:04:05+00:00"
    assert cells(tmp_path, "2020-01-02T03:04:05Z", "2020-01-02T03:04:05")[0].type == "string"


def test_integers_that_become_floats_or_dates_that_become_times_in_a_later_block(tmp_path: Path) -> None:
    lines = "".join(f"{row},2020-01-01,a\n" for row in range(600_000))
    source, profile = profiled(tmp_path, f"x,t,y\n{lines}-0.5,2021-01-01T10:00,b\n")
    assert (profile.column("x").minimum, profile.column("x").maximum) == (-0.5, 599_999.0)
    assert isinstance(profile.column("x").maximum, float)
    assert (profile.column("t").minimum, profile.column("t").maximum) == ("2020-01-01T00:00:00", "2021-01-01T10:00:00")
    assert sum(part.num_rows for part in read_source(source, profile)) == 600_001


@pytest.mark.parametrize(
    ("declared", "texts", "expected"),
    [
        ("string", ["1", "02", ""], ["1", "02", None]),
        ("category", ["1", "2", "1"], ["1", "2", "1"]),
        ("integer", ["1", "3.0", "007", "9007199254740993"], [1, 3, 7, 2**53 + 1]),
        ("number", ["1", "2", ""], [1.0, 2.0, None]),
        ("boolean", ["yes", "N", "1", "", "FALSE"], [True, False, True, None, False]),
        ("date", ["2020-01-02", ""], [datetime.date(2020, 1, 2), None]),
        (
            "timestamp",
            ["2020-01-02", "2020-01-02 03:04"],
            [datetime.datetime(2020, 1, 2, hour) for hour in (0,)] + [datetime.datetime(2020, 1, 2, 3, 4)],
        ),
    ],
)
def test_types_of_the_spec_override(tmp_path: Path, declared: str, texts: list[str], expected: list[Any]) -> None:
    assert cells(tmp_path, *texts, types={"x": declared})[1] == expected


@pytest.mark.parametrize(
    ("texts", "kind", "expected"),
    [
        (["+4917112345", "+13302657532"], "string", ["+4917112345", "+13302657532"]),
        (["+4917112345", "0", "-1"], "string", ["+4917112345", "0", "-1"]),
        (["+49", "+1", "+44"], "string", ["+49", "+1", "+44"]),
        (["+49", "44", "+1"], "string", ["+49", "44", "+1"]),
        (["+1", "-1", "0"], "int64", [1, -1, 0]),
        (["+1", "0"], "int64", [1, 0]),
        (["+36.1432", "+2.5"], "double", [36.1432, 2.5]),
        (["+5", "-2.5"], "double", [5.0, -2.5]),
        (["218E102", "786E136", "123"], "string", ["218E102", "786E136", "123"]),
        (["218E1020", "7E3"], "string", ["218E1020", "7E3"]),
        (["1e3", "2.5"], "double", [1000.0, 2.5]),
        (["1e+16", "2"], "double", [1e16, 2.0]),
    ],
)
def test_what_looks_like_a_number_may_be_a_code(
    tmp_path: Path, texts: list[str], kind: str, expected: list[Any]
) -> None:
    column, values = cells(tmp_path, *texts)
    assert (column.type, values) == (kind, expected)
    assert cells(tmp_path, "+7", "+9007199254740993", types={"x": "integer"})[1] == [7, 2**53 + 1]
