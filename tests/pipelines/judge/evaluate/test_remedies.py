"""Remedies: each fills classes up to the counts of the build, or weighs, or moves the threshold."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from pipelines.judge.evaluate.classifiers import View
from pipelines.judge.evaluate.remedies import REMEDIES, Bench, Trial
from pipelines.judge.evaluate.rows import CLASS, MADE
from pipelines.modality import MODALITIES


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


def test_every_remedy_that_a_modality_knows_is_there():
    assert set().union(*(one.remedies for one in MODALITIES.values())) | {"build", "made_alone"} == set(REMEDIES)
