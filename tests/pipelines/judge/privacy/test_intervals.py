"""Intervals: exact where they can be, and wide where few rows decide."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from pipelines.judge.privacy.intervals import auc, excess, proportion, ratio_excess, share


def test_the_area_under_the_curve_is_exact_with_ties_and_its_interval_covers():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        learnt, other = rng.integers(0, 8, 60) / 8.0, rng.integers(0, 8, 60) / 8.0
        found = auc(learnt, other)
        assert found.value == pytest.approx(roc_auc_score([1] * 60 + [0] * 60, np.r_[learnt, other]))
        covered += found.low <= 0.5 <= found.high
    assert 0.905 <= covered / 200 <= 0.985, "the interval is one of 95%"


@pytest.mark.parametrize(("count", "of"), [(0, 14), (3, 14), (14, 14), (120, 1000)])
def test_a_share_has_its_exact_interval(count, of):
    found, expected = share(count, of), binomtest(count, of).proportion_ci(method="exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_the_excess_of_a_share_is_that_of_newcombes_paper():
    found = excess((9, 10), (3, 10))  # his example (b), method 10
    assert (found.value, found.low, found.high) == pytest.approx((0.6, 0.1705, 0.8090), abs=1e-4)
    found = excess((56, 70), (48, 80))  # and (a)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert excess((0, 10), (0, 20)).low < 0 < excess((0, 10), (0, 20)).high


def test_the_interval_of_a_proportion_knows_that_few_rows_decide():
    rng = np.random.default_rng(1)
    outside = [not (f.low <= 0.5 <= f.high) for _ in range(300) if (f := proportion(*rng.pareto(3, (2, 50))))]
    assert np.mean(outside) < 0.1
    assert proportion(np.full(50, 3.0), np.full(20, 1.0)).low > 0.7
    assert proportion(np.zeros(5), np.zeros(5)).value == 0.5


def test_the_excess_of_a_ratio():
    have = np.array([2.0, 0, 3, 5])
    found = ratio_excess((have, np.array([1.0, 0, 0, 1])), (have, np.zeros(4)))
    assert found.value == pytest.approx(0.2)
    assert found.low < 0.2 < found.high
    assert ratio_excess((np.zeros(3), np.zeros(3)), (np.zeros(3), np.zeros(3))).value == 0
