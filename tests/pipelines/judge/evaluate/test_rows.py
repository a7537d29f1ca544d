"""Rows of an evaluation: which classes are rare, numbers as they were, gaps filled."""

import numpy as np
import pytest

from pipelines.judge.evaluate.remedies import _standardise
from pipelines.judge.evaluate.rows import BuiltRecord, RealRecord
from pipelines.judge.evaluate.trial import minority_of


def test_the_minority_is_what_rows_were_made_for():
    real = RealRecord(classes=["a", "b", "c"], raw=[50, 30, 9], test=[9, 9, 9], notes=[])
    assert minority_of(real, BuiltRecord(rows=[50, 30, 50], made=[0, 0, 41])) == [2]
    assert minority_of(real, BuiltRecord(rows=[9, 9, 9], made=[0, 0, 0])) == [1, 2]
    assert minority_of(real, BuiltRecord(rows=[99, 99, 99], made=[49, 69, 90])) == [1, 2]


def test_numbers_are_brought_back_to_what_they_were_and_gaps_are_filled():
    rows = np.array([[1.0, 0, np.nan], [3.0, np.nan, np.nan], [np.nan, 2, np.nan]])
    filled, centre, scale = _standardise(rows, np.array([False, True, False]))
    back = filled * scale + centre
    assert back[:, 0].tolist() == pytest.approx([1, 3, 2])
    assert back[:, 1].tolist() == [0, -1, 2]
    assert not np.isnan(back).any()
