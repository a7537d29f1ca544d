"""What changes of a column is told in the plan, in a line."""

import re
from pathlib import Path

import pyarrow as pa

from pipelines.plan.column_notes import changes, column_lines
from tests.pipelines.test_round_trip import _planned, published


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
