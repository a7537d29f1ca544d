"""Measures are those of scikit-learn, under any weights of rows."""

import numpy as np
import pytest
from sklearn import metrics

from pipelines.judge.evaluate.measures import MEASURES, Scorer, draw_weights
from pipelines.judge.evaluate.remedies import Prediction, _best_threshold


def predicted(classes, rows=400, seed=0):
    """Random truth, and rounded probabilities, so that there are ties."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(classes, size=rows)
    chances = (rng.dirichlet(np.ones(classes), rows) + 0.5 * np.eye(classes)[truth]).round(1)
    chances /= chances.sum(axis=1, keepdims=True)
    return truth, Prediction(chances, chances.argmax(axis=1))


@pytest.mark.parametrize("classes", [2, 4])
def test_measures_are_those_of_scikit_learn_under_any_weights(classes):
    truth, prediction = predicted(classes)
    weights = draw_weights(truth, np.array([5]), seed=1)[0]
    minority = list(range(1, classes))
    found = dict(zip(MEASURES, Scorer(truth, prediction, minority).measures(weights[None])[0], strict=False))
    chances, decided = prediction.chances, prediction.decisions

    def mean(measure, given):
        return np.mean([measure(truth == k, given[k], sample_weight=weights) for k in minority])

    assert found["balanced_accuracy"] == pytest.approx(
        metrics.balanced_accuracy_score(truth, decided, sample_weight=weights)
    )
    assert found["f1"] == pytest.approx(mean(metrics.f1_score, [decided == k for k in range(classes)]))
    assert found["average_precision"] == pytest.approx(mean(metrics.average_precision_score, chances.T))
    assert found["roc_auc"] == pytest.approx(mean(metrics.roc_auc_score, chances.T))
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(truth, chances, sample_weight=weights))


def test_calibration_error_is_nought_where_every_bin_is_right_as_often_as_it_is_sure():
    truth = np.array([0, 0, 0, 1] * 5)
    sure = np.tile([0.75, 0.25], (20, 1))
    good = Scorer(truth, Prediction(sure, sure.argmax(axis=1)), [1])
    bold = Scorer(truth, Prediction(np.tile([1.0, 0.0], (20, 1)), sure.argmax(axis=1)), [1])
    place = MEASURES.index("calibration_error")
    assert good.measures(np.ones((1, 20)))[0, place] == pytest.approx(0)
    assert bold.measures(np.ones((1, 20)))[0, place] == pytest.approx(0.25)


def test_draws_hold_as_many_rows_of_each_class_and_follow_from_their_number_alone():
    truth = np.array([0] * 30 + [1] * 7)
    both = draw_weights(truth, np.array([3, 4]), seed=9)
    assert np.array_equal(both[1:], draw_weights(truth, np.array([4]), seed=9))
    assert both[:, truth == 1].sum(axis=1).tolist() == [7, 7]
    assert not np.array_equal(both[0], both[1])
    assert not np.array_equal(both, draw_weights(truth, np.array([3, 4]), seed=8))


def test_the_threshold_moves_to_where_the_measure_is_best():
    rare = np.array([False] * 90 + [True] * 10)
    chances = np.concatenate([np.linspace(0, 0.3, 90), np.linspace(0.25, 0.45, 10)])
    at = _best_threshold(rare, chances, "balanced_accuracy")
    best = max(metrics.balanced_accuracy_score(rare, chances >= t) for t in chances)
    assert metrics.balanced_accuracy_score(rare, chances >= at) == pytest.approx(best)
    best = max(metrics.f1_score(rare, chances >= t) for t in chances)
    assert metrics.f1_score(rare, chances >= _best_threshold(rare, chances, "f1")) == pytest.approx(best)
