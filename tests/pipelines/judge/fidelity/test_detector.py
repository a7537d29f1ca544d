"""The detector: it tells nothing where there is nothing to tell, and names what gives made rows away."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from pipelines.judge.fidelity.detector import FEWEST, assign_folds, auc_of
from pipelines.judge.fidelity.measure import measure_fidelity
from tests.pipelines.judge.fidelity.rows import manifest_of, people, shards, source

REAL = people(600)


def found(made, real=REAL, parents=None):
    manifest = manifest_of(real, "income")
    return measure_fidelity(manifest, source(real), shards(real, made, parents)).detectors


def test_two_halves_of_the_same_rows_cannot_be_told_apart():
    both = people(1800)
    [detector] = found(both.slice(900), real=both.slice(0, 900))
    assert (detector.stratum, detector.rows) == ("high", 900)
    assert detector.auc == pytest.approx(0.5, abs=0.04)
    assert detector.low < 0.5 < detector.high
    assert 0.03 < detector.high - detector.low < 0.1


def test_wrong_rows_are_told_by_the_column_that_is_wrong():
    wrong = people(600, seed=1)
    strange = pa.array(np.random.default_rng(2).choice(["Ulm", "Rome"], 600))
    [detector] = found(wrong.set_column(wrong.schema.get_field_index("city"), "city", strange))
    assert detector.auc > 0.7
    assert next(iter(detector.tells)) == "city"
    assert detector.tells["city"] > 0.2


def test_rows_that_are_right_column_by_column_are_told_by_what_does_not_go_together():
    made = people(600, seed=1)
    shuffled = made["money"].take(pa.array(np.random.default_rng(2).permutation(600)))
    [detector] = found(made.set_column(1, "money", shuffled))
    assert detector.auc > 0.85
    assert set(list(detector.tells)[:2]) == {"age", "money"}


def test_copies_do_not_fool_it():
    # a copy of a row that it learnt as real would be taken for real, and the AUC fall below 0.5
    parents = np.random.default_rng(3).permutation(600)
    [detector] = found(REAL.take(pa.array(parents)), parents=parents)
    assert detector.auc == pytest.approx(0.5, abs=0.03)


def test_a_small_class_gets_a_message_and_no_figure():
    few, many = people(FEWEST - 1, income="low"), people(200)
    made = pa.concat_tables([people(300, seed=1, income="low"), people(FEWEST, seed=2)])
    high, low = found(made, real=pa.concat_tables([few, many]))
    assert (low.stratum, low.auc, low.tells) == ("low", None, {})
    assert low.note == "49 real and 300 made rows were drawn, and 50 of each are needed"
    assert (high.stratum, high.rows, high.note) == ("high", FEWEST, "")


def test_nothing_to_look_at_is_said():
    same = pa.table({"n": [1] * 100, "income": ["high"] * 100})
    [detector] = found(same, real=same)
    assert detector.note == "nothing differs from row to row"


def test_the_area_is_that_of_scikit_learn_and_its_error_is_right():
    rng = np.random.default_rng(0)
    areas, errors = [], []
    for _ in range(300):
        target = np.repeat([0, 1], (60, 40))
        scores = np.round(rng.normal(target, 1), 1)  # with ties
        area, influence = auc_of(scores, target)
        assert area == pytest.approx(roc_auc_score(target, scores))
        assert influence.mean() == pytest.approx(0, abs=1e-9)
        areas.append(area)
        errors.append(np.sqrt(np.mean(influence**2) / len(influence)))
    assert np.mean(errors) == pytest.approx(np.std(areas), rel=0.15)


def test_families_share_a_fold_and_each_fold_has_its_share():
    ids = [f"real-{n}" for n in range(50)] + [f"made-{n}" for n in range(50)]
    parents = [None] * 50 + [f"real-{n % 60}" for n in range(30, 80)]  # some parents are not among the rows
    rows = pa.table({"_id": ids, "_parent": pa.array(parents, pa.string())})
    fold = assign_folds(rows, np.random.default_rng(0))
    assert np.bincount(fold[:50]).tolist() == [10] * 5
    own = dict(zip(ids[:50], fold[:50], strict=True))
    for parent, number in zip(parents[50:], fold[50:], strict=True):
        assert own.get(parent, number) == number
