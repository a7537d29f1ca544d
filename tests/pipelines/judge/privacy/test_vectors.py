"""Points of rows: as they are where they are short, projected with their distances where they are long."""

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_matrix

from pipelines.judge.privacy.vectors import MOST, project


def sparse(width):
    """Return what puts one 1 into a row of that width, at the place that the row names."""
    return lambda table: csr_matrix(np.eye(width)[np.asarray(table["at"])])


def test_short_points_stay_as_they_are():
    table = pa.table({"at": [2, 0]})
    assert project(sparse(MOST), table, 1)(table).tolist() == np.eye(MOST, dtype=np.float32)[[2, 0]].tolist()


def test_long_points_are_projected_equal_rows_alike_and_by_the_seed():
    table = pa.table({"at": [5, 900, 5]})
    points = project(sparse(1_000), table, 1)(table)
    assert points.shape == (3, MOST)
    assert (points[0] == points[2]).all()
    assert (points[0] != points[1]).any()
    assert (points == project(sparse(1_000), table, 1)(table)).all()
    assert (points != project(sparse(1_000), table, 2)(table)).any()
