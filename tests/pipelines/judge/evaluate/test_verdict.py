"""The verdict: a yes needs a gain beyond chance against every cheaper remedy."""

import numpy as np

from pipelines.judge.evaluate.measures import MEASURES, Scores
from pipelines.judge.evaluate.rows import BuiltRecord, RealRecord
from pipelines.judge.evaluate.verdict import give_verdict, judge
from schemas.evaluation import Difference, Evaluate, Interval


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
