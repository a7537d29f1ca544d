"""The attack takes copies for learnt rows, and common rows for neither."""

import numpy as np
import pytest

from pipelines.judge.privacy.attack import scores, true_positives


def test_the_attack_takes_copies_for_learnt_and_common_rows_for_neither():
    found = scores(np.array([0.0, 1.0, 0.0, 3.0]), np.array([1.0, 1.0, 0.0, 1.0]))
    assert found.tolist() == [1.0, 0.5, 0.5, 0.25]


def test_true_positives_are_counted_above_one_in_a_hundred_false_ones():
    held_out = np.r_[0.9, 0.55, np.linspace(0, 0.5, 197)]  # one of 199 is above the second
    assert true_positives(np.array([0.95, 0.6, 0.55, 0.5]), held_out).value == 0.5, "ties are no hits"
    assert true_positives(np.ones(50), held_out[:98]) is None, "of so few, one in a hundred is none"
    found = true_positives(np.ones(50), held_out[:99])
    assert (found.value, found.high) == (1, 1)
    assert found.low > 0.9


def test_that_a_threshold_may_be_off_by_chance_is_in_its_interval():
    rng = np.random.default_rng(5)
    found = [true_positives(rng.random(800), rng.random(200)) for _ in range(300)]
    assert np.mean([one.value for one in found]) == pytest.approx(0.01, abs=0.003)
    assert np.mean([one.low <= 0.01 <= one.high for one in found]) > 0.85
