"""Rows of a table as points: values are told apart, and distances are kept."""

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from pipelines.judge.privacy.distances import distances
from pipelines.judge.privacy.vectors import MOST
from pipelines.judge.tabular.points import table_points


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(2)
    real, made = rng.random((40, 7), np.float32), rng.random((3000, 7), np.float32)
    made[5] = real[3]
    return real, made


TABLE = pa.table(
    {
        "age": [20, 30, 30, None, 60],
        "town": ["Ulm", "Ulm", "Bonn", None, "Kiel"],
        "member": [True, False, True, None, True],
    }
)


def test_points_of_tables_tell_values_apart_and_equal_rows_are_0_apart():
    encode = table_points(TABLE, TABLE.column_names, seed=0)
    real = encode(TABLE)
    assert distances(real, encode(TABLE)).tolist() == [0] * 5
    made = pa.table(
        {"age": [20, 31, 90, None], "town": ["Ulm", "Paris", None, None], "member": [True, False, True, None]}
    )
    apart = np.linalg.norm(real[:, None] - encode(made)[None], axis=2)
    assert apart[0, 0] == 0
    assert apart[3, 3] == 0, "missing values are alike"
    assert apart[1, 1] == pytest.approx(1, abs=0.02), "a town that no real row has is another one"
    assert apart[4, 2] > 1, "beyond the largest is not the largest"
    assert apart[0, 1] > 1.4


def test_points_of_wide_tables_are_projected_and_keep_distances():
    rng = np.random.default_rng(3)
    wide = pa.table({f"c{n}": [f"v{v}" for v in rng.integers(0, 40, 300)] for n in range(30)})
    points = table_points(wide, wide.column_names, seed=4)(wide)
    assert points.shape == (300, MOST)
    codes = np.array([wide[name].to_pylist() for name in wide.column_names]).T
    expected = np.sqrt((codes[:150] != codes[150:]).sum(axis=1))
    assert distances(points[:150], points[150:]) == pytest.approx(expected, rel=0.3)
    assert distances(points, points).max() == 0
