"""Figures of language: diversity, telling words, bags of one vocabulary."""

import numpy as np
import pytest

from pipelines.judge.text.language import bags, distinct_n, log_odds, self_bleu


def test_log_odds_are_of_monroe() -> None:
    one, other, background = (np.array(counts, float) for counts in ([30, 10, 0], [10, 30, 0], [40, 40, 20]))
    scores = log_odds(one, other, background)
    prior = 500 * background / 100
    a, b = one[0] + prior[0], other[0] + prior[0]
    n, m = one.sum() + 500 - a, other.sum() + 500 - b
    assert scores[0] == pytest.approx((np.log(a / n) - np.log(b / m)) / np.sqrt(1 / a + 1 / b))
    assert scores[1] == pytest.approx(-scores[0])
    assert scores[2] == 0


def test_diversity_of_known_texts() -> None:
    assert distinct_n([["a", "b", "a"], ["a", "b"]], 1) == pytest.approx(2 / 5)
    assert distinct_n([["a", "b", "a"], ["a", "b"]], 2) == pytest.approx(2 / 3)
    assert distinct_n([["a"]], 2) is None
    assert self_bleu([["a", "b", "c", "d", "e"]] * 3) == pytest.approx(100)
    different = self_bleu([[f"w{9 * k + j}" for j in range(9)] for k in range(5)])
    assert different is not None
    assert different < 5
    assert self_bleu([["a"], []]) is None


def test_bags_share_a_vocabulary() -> None:
    words, (one, other) = bags([["A b a", None], ["b c"]])
    assert words == ["a", "b", "c"]
    assert one.lengths.tolist() == [3, 0]
    np.testing.assert_allclose(one.shares(np.array([1.0, 1.0]), 3), [2 / 3, 1 / 3, 0])
    np.testing.assert_array_equal(other.counts(np.array([True]), 3), [0, 1, 1])
