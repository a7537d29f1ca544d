"""What a plan says of columns is true: counts to the last digit, times as times, what is shown of single rows."""

import json
import re
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.plan.column_notes import changes, column_lines
from pipelines.plan.planning import make_plan
from schemas.errors import SpecError
from tests.hostile.promise import spec_of
from tests.pipelines.test_round_trip import _planned, published

ROWS = 40


def lines(folder: Path, columns: dict[str, object], **source: object) -> dict[str, str]:
    classes = ["a"] * 30 + ["b"] * 10
    pq.write_table(pa.table({**columns, "y": classes}), folder / "d.parquet")
    told = column_lines(make_plan(spec_of(folder / "d.parquet", source={"label": "y", **source})))
    return {line.split()[0]: line for line in told}


def test_values_are_counted_to_the_last_digit(tmp_path: Path) -> None:
    big = [10**30 + number % 7 for number in range(ROWS)]
    columns = {
        "d": pa.array([Decimal(one) for one in big], pa.decimal128(38, 0)),
        "u": pa.array([2**64 - 1 - number % 9 for number in range(ROWS)], pa.uint64()),
        "x": [number % 5 + 0.5 for number in range(ROWS)],
    }
    told = lines(tmp_path, columns)
    assert ("7 values" in told["d"], "9 values" in told["u"], "5 values" in told["x"]) == (True, True, True)


def test_digits_of_text_are_counted_to_the_last_one(tmp_path: Path) -> None:
    cells = [f"90719925474099{number % 7:02d}.5" for number in range(ROWS)] + ["9071992547409900.50"]
    rows = [f"{cell},{number % 5}.5,{'ab'[number % 3 == 0]}" for number, cell in enumerate(cells)]
    (tmp_path / "d.csv").write_text("\n".join(["n,x,y", *rows]) + "\n")
    plan = make_plan(spec_of(tmp_path / "d.csv", "y"))
    assert (plan.profile.column("n").distinct, plan.profile.column("n").stored) == (7, "decimal128(38, 2)")


def test_times_of_day_and_durations_are_shown_as_such(tmp_path: Path) -> None:
    told = lines(
        tmp_path,
        {
            "s": pa.array([3600 * (number % 3 + 1) for number in range(ROWS)], pa.int32()).cast(pa.time32("s")),
            "ms": pa.array([1500 * (number % 3 + 1) for number in range(ROWS)], pa.int32()).cast(pa.time32("ms")),
            "ns": pa.array([10**9 * (number % 3) + 5 for number in range(ROWS)], pa.int64()).cast(pa.time64("ns")),
            "for": pa.array([90 * (number % 3 + 1) for number in range(ROWS)], pa.int64()).cast(pa.duration("s")),
            "x": [number % 5 + 0.5 for number in range(ROWS)],
        },
    )
    assert told["s"].endswith("01:00:00 to 03:00:00")
    assert told["ms"].endswith("00:00:01.500 to 00:00:04.500")
    assert told["ns"].endswith("00:00:00.000000005 to 00:00:02.000000005")
    assert told["for"].endswith("0:01:30 to 0:04:30")


def test_lists_of_json_that_are_carried_are_told_to_become_text(tmp_path: Path) -> None:
    rows = [{"t": [number, "x"], "u": "z", "x": number % 5 + 0.5, "y": "ab"[number % 2]} for number in range(ROWS)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = spec_of(tmp_path / "d.jsonl", source={"label": "y", "carry": ["t", "u"]})
    [told, plain] = [line for line in column_lines(make_plan(spec)) if "carried" in line]
    assert "real rows keep it, made rows have none; 40 cells are no text in the source (lists, objects, num" in told
    assert told.endswith("and JSON text here")
    assert plain.endswith("real rows keep it as it is, made rows have none")


@pytest.mark.parametrize(("said", "shows"), [({}, True), ({"types": {"m": "id"}}, False), ({"carry": ["m"]}, False)])
def test_texts_that_name_a_row_are_told_to_be_shown(tmp_path: Path, said: dict[str, object], shows: bool) -> None:
    columns = {
        "m": [f"{'abcdefgh'[number % 8]}.{number}@example.org" for number in range(ROWS)],
        "city": ["Bonn", "Köln"] * (ROWS // 2),
        "x": [number % 5 + 0.5 for number in range(ROWS)],
    }
    told = lines(tmp_path, columns, **said)
    assert ("made rows show texts of single real ones (source.types: id makes" in told["m"]) == shows
    assert "made rows show" not in told["city"]


def test_texts_that_nobody_chose_a_generator_for_are_no_fault_of_one(tmp_path: Path) -> None:
    lines_ = [f"this is message number {row} of many,{'ab'[row % 3 == 0]}" for row in range(ROWS)]
    (tmp_path / "d.csv").write_text("\n".join(["text,y", *lines_]))
    with pytest.raises(SpecError, match="^source.modality: the source is taken for a table.*generator of texts .*, or"):
        make_plan(spec_of(tmp_path / "d.csv", "y", generator={}))
    with pytest.raises(SpecError, match=r"^generator.name: 'smote' makes rows of tables"):
        make_plan(spec_of(tmp_path / "d.csv", "y", generator={"name": "smote"}))


def test_what_changes_is_told_in_a_line_a_column(tmp_path: Path) -> None:
    cells = {
        "nan": [1.5, float("nan"), 2.5, None],
        "id": pa.array([124, 125, 126, 127], pa.int8()),
        "amount": pa.array([1, 2, 3, 4], pa.decimal128(9, 2)),
        "y": ["a", "b", "b", "b"],
    }
    spec, plan = _planned(tmp_path, pa.table(cells))
    assert changes(plan.profile) == [
        "nan: 1 cells are not-a-number in the source, and missing here",
        "id: int8 in the source, int64 here, which has room for the ids of made rows",
    ]
    found = published(plan, tmp_path, spec)
    assert [str(kind) for kind in found.schema.types] == ["double", "int64", "decimal128(9, 2)", "string"]
    assert found["nan"].to_pylist() == [1.5, None, 2.5, None]
    assert found["id"].to_pylist() == [124, 125, 126, 127]
    lines = column_lines(plan)
    assert re.match(
        r"id +int64 +id +no two rows share a value and it is named like one; made rows get new ones", lines[1]
    )
    assert lines[2].startswith("amount  decimal128(9, 2)  feature")
    assert lines[-1].startswith("Wrong? source.types.COLUMN: integer")
