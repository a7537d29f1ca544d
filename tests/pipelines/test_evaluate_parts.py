"""The parts of an evaluation by themselves: measures as scikit-learn has them, paired draws, verdicts, remedies."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics
from threadpoolctl import threadpool_limits

from pipelines.judge.evaluate.classifiers import Lesson, View, fit
from pipelines.judge.evaluate.measures import MEASURES, Scorer, Scores, draw_weights
from pipelines.judge.evaluate.remedies import REMEDIES, Bench, Prediction, Trial, _best_threshold, _standardise
from pipelines.judge.evaluate.rows import CLASS, MADE, BuiltRecord, RealRecord
from pipelines.judge.evaluate.trial import minority_of
from pipelines.judge.evaluate.verdict import give_verdict, judge
from pipelines.modality import MODALITIES
from schemas.evaluation import Difference, Evaluate, Interval


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


def gains(**by_remedy):
    return [
        Difference(remedy=name, gain=Interval(mean=mean, low=mean - 0.01, high=mean + 0.01))
        for name, mean in by_remedy.items()
    ]


def verdict(values, differences, few=None):
    intervals = {name: Interval(mean=mean, low=mean - 0.02, high=mean + 0.02) for name, mean in values.items()}
    return give_verdict("balanced accuracy", intervals, differences, few or {})


def test_yes_needs_a_gain_beyond_chance_against_every_cheaper_remedy():
    values = {"build": 0.9, "raw": 0.7, "smote": 0.85}
    told = verdict(values, gains(raw=0.2, smote=0.05))
    assert told.helps
    assert told.sentence == (
        "Yes: balanced accuracy 0.900 (0.880 to 0.920) with this build, +0.050 (+0.040 to +0.060) against SMOTE, the"
        " best cheaper remedy."
    )
    told = verdict(values | {"smote": 0.895}, gains(raw=0.2, smote=0.005))
    assert told.helps is False
    assert told.sentence.startswith("No: SMOTE does as well: balanced accuracy 0.900 (0.880 to 0.920) with this build")


def test_no_tells_what_is_better_and_what_does_harm():
    values = {"build": 0.8, "raw": 0.75, "class_weights": 0.85}
    assert verdict(values, gains(raw=0.05, class_weights=-0.05)).sentence.startswith("No: class weights do better: ")
    told = verdict(values | {"raw": 0.83}, gains(raw=-0.03, class_weights=-0.05))
    assert told.helps is False
    assert told.sentence.startswith("No, it does harm: ")
    assert "0.830 (0.810 to 0.850) with the raw data, a difference of -0.030 (-0.040 to -0.020)" in told.sentence


def test_too_few_held_out_rows_give_no_interval_and_no_answer():
    real = RealRecord(classes=["hi", "lo"], raw=[90, 10], test=[90, 19], notes=[])
    built = BuiltRecord(rows=[90, 90], made=[0, 80])
    columns = len(MEASURES) + 2
    one = Scores(np.full((1, columns), 0.8), np.random.default_rng(0).random((50, 1, columns)))
    settings = Evaluate(test="t.csv", seeds=1)
    told = judge(real, built, {"raw": one, "build": one}, ["x"], settings)
    assert told.verdict.helps is None
    assert told.verdict.sentence == (
        "Cannot tell: too few held-out rows of 'lo' (19); an interval needs 20 of each class."
    )
    assert told.of("raw").f1 == Interval(mean=0.8)
    enough = judge(real.model_copy(update={"test": [90, 20]}), built, {"raw": one, "build": one}, ["x"], settings)
    assert enough.of("raw").f1.low is not None
    assert enough.verdict.helps is False, "the same scores are no gain"


def test_differences_are_paired_draw_by_draw():
    real = RealRecord(classes=["hi", "lo"], raw=[90, 10], test=[90, 90], notes=[])
    built = BuiltRecord(rows=[90, 90], made=[0, 80])
    noise = np.random.default_rng(0).normal(0, 0.1, (500, 1, 1)) + np.zeros((1, 1, len(MEASURES) + 2))
    raw = Scores(np.full((1, noise.shape[2]), 0.70), 0.70 + noise)
    build = Scores(np.full((1, noise.shape[2]), 0.71), 0.71 + noise)
    told = judge(real, built, {"raw": raw, "build": build}, ["x"], Evaluate(test="t.csv"))
    assert told.of("raw").f1.high > 0.8, "each alone varies far more than the two differ"
    assert told.verdict.helps


def test_the_minority_is_what_rows_were_made_for():
    real = RealRecord(classes=["a", "b", "c"], raw=[50, 30, 9], test=[9, 9, 9], notes=[])
    assert minority_of(real, BuiltRecord(rows=[50, 30, 50], made=[0, 0, 41])) == [2]
    assert minority_of(real, BuiltRecord(rows=[9, 9, 9], made=[0, 0, 0])) == [1, 2]
    assert minority_of(real, BuiltRecord(rows=[99, 99, 99], made=[49, 69, 90])) == [1, 2]


def test_the_threshold_moves_to_where_the_measure_is_best():
    rare = np.array([False] * 90 + [True] * 10)
    chances = np.concatenate([np.linspace(0, 0.3, 90), np.linspace(0.25, 0.45, 10)])
    at = _best_threshold(rare, chances, "balanced_accuracy")
    best = max(metrics.balanced_accuracy_score(rare, chances >= t) for t in chances)
    assert metrics.balanced_accuracy_score(rare, chances >= at) == pytest.approx(best)
    best = max(metrics.f1_score(rare, chances >= t) for t in chances)
    assert metrics.f1_score(rare, chances >= _best_threshold(rare, chances, "f1")) == pytest.approx(best)


def test_numbers_are_brought_back_to_what_they_were_and_gaps_are_filled():
    rows = np.array([[1.0, 0, np.nan], [3.0, np.nan, np.nan], [np.nan, 2, np.nan]])
    filled, centre, scale = _standardise(rows, np.array([False, True, False]))
    back = filled * scale + centre
    assert back[:, 0].tolist() == pytest.approx([1, 3, 2])
    assert back[:, 1].tolist() == [0, -1, 2]
    assert not np.isnan(back).any()


def bench(rows, categorical, target, classes, wanted):
    """A bench on which the rows are held out too."""
    table = pa.table({"row": np.arange(len(rows)), CLASS: target})
    view = View(lambda given: rows[given["row"].to_numpy()], categorical)
    plan = SimpleNamespace(modality="tabular")
    return Bench(plan, view, table, table, table, classes, [1], wanted, "balanced_accuracy")


class Noted(Trial):
    """Remembers what it was given to learn from."""

    def learn(self, rows, target, *, weighted=False):
        object.__setattr__(self, "given", (rows, target))
        return super().learn(rows, target, weighted=weighted)


@pytest.mark.parametrize("categorical", [[False, False], [True, False], [True, True]])
def test_smote_fills_classes_up_to_the_builds_counts_and_leaves_real_rows_as_they_are(categorical):
    rng = np.random.default_rng(0)
    target = np.array([0] * 60 + [1] * 9 + [2])
    rows = rng.integers(0, 3, (70, 2)).astype(float)
    rows[5, 0] = rows[61, 1] = np.nan
    trial = Noted(bench(rows, categorical, target, 3, [60, 40, 30]), "logistic regression", 0)
    assert REMEDIES["smote"](trial).chances.shape == (70, 3)
    given, classes = trial.given
    assert np.bincount(classes).tolist() == [60, 40, 1], "of one row alone nothing can be made between rows"
    assert np.array_equal(given[:70], rows, equal_nan=True)
    made = given[70:]
    for place in np.flatnonzero(categorical):
        assert set(made[~np.isnan(made[:, place]), place]) <= {0, 1, 2}


def test_over_sampling_draws_copies_up_to_the_builds_counts():
    rows, target = np.arange(20.0)[:, None], np.array([0] * 15 + [1] * 5)
    trial = Noted(bench(rows, [False], target, 2, [15, 12]), "logistic regression", 0)
    REMEDIES["over_sampling"](trial)
    given, classes = trial.given
    assert np.bincount(classes).tolist() == [15, 12]
    assert set(given[classes == 1, 0]) <= set(rows[15:, 0])


def test_of_three_classes_the_chances_are_divided_by_the_classes_shares():
    rng = np.random.default_rng(0)
    target = np.repeat([0, 1, 2], [200, 40, 10])
    rows = rng.normal(target, 1.0)[:, None]
    trial = Trial(bench(rows, [False], target, 3, [200, 200, 200]), "logistic regression", 0)
    raw, moved = REMEDIES["raw"](trial), REMEDIES["threshold"](trial)
    assert np.array_equal(raw.chances, moved.chances), "only the decision is another"
    assert np.array_equal(moved.decisions, (raw.chances / [200, 40, 10]).argmax(axis=1))
    assert (moved.decisions == 2).sum() > (raw.decisions == 2).sum()


def test_made_alone_keeps_real_rows_of_classes_without_made_ones():
    rows, target = np.arange(8.0)[:, None], np.array([0, 0, 0, 1, 1, 1, 1, 1])
    given = bench(rows, [False], target, 2, [3, 5])
    made = given.built.append_column(MADE, pa.array([False] * 5 + [True] * 3))
    trial = Noted(replace(given, built=made), "logistic regression", 0)
    REMEDIES["made_alone"](trial)
    assert trial.given[0][:, 0].tolist() == [0, 1, 2, 5, 6, 7]


@pytest.mark.parametrize("name", MODALITIES["tabular"].classifiers)
def test_a_table_classifier_learns_gaps_categories_and_weights(name):
    rng = np.random.default_rng(0)
    target = (rng.random(600) < 0.1).astype(np.int64)
    rows = np.column_stack([rng.normal(target, 1.0), rng.integers(0, 3, 600), np.full(600, np.nan)])
    rows[::7, 0] = np.nan
    lesson = Lesson(View(lambda _: rows, [False, True, False]), rows, target, 3, False, 0)
    with threadpool_limits(1):
        plain, again = (fit(name, MODALITIES["tabular"], lesson)(rows) for _ in range(2))
        weighted = fit(name, MODALITIES["tabular"], replace(lesson, weighted=True))(rows)
    assert plain.shape == (600, 3)
    assert not plain[:, 2].any(), "a class that it never saw"
    assert np.allclose(plain.sum(axis=1), 1)
    assert weighted[:, 1].mean() > 2 * plain[:, 1].mean()
    assert np.array_equal(plain, again), "same seed, same figures"


def test_the_small_resnet_tells_images_apart_and_repeats_itself():
    from generators.image.resnet import fit_resnet

    rng = np.random.default_rng(0)
    target = rng.integers(2, size=120)
    pixels = rng.integers(0, 60, (120, 16, 16, 1))
    pixels[target == 1, 4:8] += 120
    given = pixels.astype(np.uint8), target, 2
    first = fit_resnet(*given, weights=np.ones(2), seed=3, steps=60).probabilities(given[0])
    assert (first.argmax(axis=1) == target).mean() > 0.95
    short = [fit_resnet(*given, weights=np.ones(2), seed=seed, steps=4).probabilities(given[0]) for seed in (3, 3, 4)]
    assert np.array_equal(short[0], short[1])
    assert not np.array_equal(short[0], short[2])


def test_every_remedy_that_a_modality_knows_is_there():
    assert set().union(*(one.remedies for one in MODALITIES.values())) | {"build", "made_alone"} == set(REMEDIES)
