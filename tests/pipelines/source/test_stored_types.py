"""Cells in the types of the source, and as they are computed with."""

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet as pq

from tests.pipelines.source.tabular.test_parquet import read
from tests.pipelines.source.test_column import save


def test_decimals_are_computed_with_as_the_nearest_doubles(tmp_path: Path) -> None:
    values = ["1.130", "2.675", "0.545", "1.005"]
    decimals = pa.array([*map(Decimal, values)] * 2, pa.decimal128(9, 3))
    folder = save(tmp_path, [decimals])
    assert read(folder)[1]["x"].to_pylist() == [*map(float, values)] * 2
    assert read(folder, types={"x": "number"})[1]["x"].to_pylist() == [*map(float, values)] * 2
    profile, _ = read(save(tmp_path, [decimals], "price"), label="price")
    assert [row[0] for row, _ in profile.counts] == [*map(float, values)]
    pq.write_table(
        pa.table({"price": pa.array([Decimal("2.6750")], pa.decimal128(12, 4)), "y": ["a"], "z": [2.5]}),
        folder / "1.parquet",
    )
    profile, _ = read(folder, label="price")
    assert {row[0]: count for row, count in profile.counts} == {1.13: 2, 2.675: 3, 0.545: 2, 1.005: 2}
