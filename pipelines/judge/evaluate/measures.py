"""Scores predictions over the held-out rows, and over many random draws of them.

The draws (a bootstrap, Efron 1979) are stratified by class. They follow from the seed and their number alone, so they
are the same for all remedies, and the difference of two remedies can be computed draw by draw. The measures agree with
scikit-learn's `sample_weight`, but many draws are computed at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.judge.evaluate.remedies import Prediction
from pipelines.judge.evaluate.rows import CLASS, TEST
from pipelines.judge.evaluate.trial import TrialKey, read_prediction
from pipelines.plan.seeds import derive_seed
from pipelines.storage.folder import Folder

Floats = NDArray[np.float64]

MEASURES = ("balanced_accuracy", "f1", "average_precision", "roc_auc", "brier", "calibration_error")
"""The first columns of a result; the recall of each class follows."""
DRAWS = 1_000
_BINS = 15
_CELLS = 4_000_000  # weights in memory at a time


@dataclass(frozen=True)
class Scores:
    """The scores of one remedy: `points`, of shape (classifiers, measures), are the means over seeds.

    `draws`, of shape (draws, classifiers, measures), are the scores on random draws of rows, each of one seed's
    prediction.
    """

    points: Floats
    draws: Floats


def score(scratch: Folder, trials: Sequence[TrialKey], minority: list[int], seeds: int, seed: int) -> Scores:
    """Return the scores of a remedy's predictions."""
    truth = scratch.read_arrow(TEST)[CLASS].to_numpy()
    chosen = np.random.default_rng(derive_seed(seed, "evaluate", "seed of draw")).integers(seeds, size=DRAWS)
    points, draws = [], []
    for classifier in dict.fromkeys(trial.classifier for trial in trials):
        scorers = [
            Scorer(truth, read_prediction(scratch, trial), minority)
            for trial in trials
            if trial.classifier == classifier
        ]
        whole = np.ones((1, len(truth)))
        points.append(np.mean([scorer.measures(whole)[0] for scorer in scorers], axis=0))
        of_classifier = np.empty((DRAWS, len(points[0])))
        for number, scorer in enumerate(scorers):
            for numbers in _split_numbers(np.flatnonzero(chosen % len(scorers) == number), len(truth)):
                of_classifier[numbers] = scorer.measures(draw_weights(truth, numbers, seed))
        draws.append(of_classifier)
    return Scores(np.stack(points), np.stack(draws, axis=1))


def _split_numbers(numbers: NDArray[np.int64], rows: int) -> Iterator[NDArray[np.int64]]:
    step = max(1, _CELLS // max(1, rows))
    return (numbers[start : start + step] for start in range(0, len(numbers), step))


def draw_weights(truth: NDArray[np.int64], numbers: NDArray[np.int64], seed: int) -> Floats:
    """Return how often each row is in the draws of these numbers; a draw keeps the number of rows of each class."""
    weights = np.zeros((len(numbers), len(truth)))
    members = [np.flatnonzero(truth == class_number) for class_number in np.unique(truth)]
    for row, number in enumerate(numbers.tolist()):
        rng = np.random.default_rng([seed, number])
        for rows_of_class in members:
            weights[row, rows_of_class] = np.bincount(
                rng.integers(len(rows_of_class), size=len(rows_of_class)), minlength=len(rows_of_class)
            )
    return weights


class Scorer:
    """One prediction, prepared for being scored under many weights of its rows."""

    def __init__(self, truth: NDArray[np.int64], prediction: Prediction, minority: list[int]) -> None:
        chances, decisions = prediction.chances, prediction.decisions
        self._classes = chances.shape[1]
        self._minority = minority
        numbers = np.arange(self._classes)
        self._truth = (truth[:, None] == numbers).astype(np.float64)
        self._decided = (decisions[:, None] == numbers).astype(np.float64)
        self._hits = self._truth * self._decided
        error = ((chances - self._truth) ** 2).sum(axis=1)
        self._brier = error / 2 if self._classes == 2 else error  # as scikit-learn has it
        self._bins = _confidence_bins(truth, chances)
        self._ranks = [_Rank(truth == class_number, chances[:, class_number]) for class_number in minority]

    def measures(self, weights: Floats) -> Floats:
        """Return one row of measures for each row of weights, shape (draws, 6 + classes)."""
        total = weights @ self._truth
        hits, decisions = weights @ self._hits, weights @ self._decided
        recall = hits / np.maximum(total, 1e-12)
        f1 = 2 * hits / np.maximum(total + decisions, 1e-12)
        rank_measures = np.array([rank.measures(weights) for rank in self._ranks]).mean(axis=0)
        rows = weights.sum(axis=1)
        return np.column_stack(
            [
                recall.mean(axis=1),
                f1[:, self._minority].mean(axis=1),
                *rank_measures,
                weights @ self._brier / rows,
                np.abs(weights @ self._bins).sum(axis=1) / rows,
                recall,
            ]
        )


def _confidence_bins(truth: NDArray[np.int64], chances: Floats) -> Floats:
    """Return each row's confidence minus its correctness (0 or 1), in the column of its bin.

    The absolute sum of a column over rows is that bin's part of the expected calibration error (Guo et al. 2017).
    """
    sure = chances.max(axis=1)
    bins = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    parts = np.zeros((len(truth), _BINS))
    parts[np.arange(len(truth)), bins] = sure - (chances.argmax(axis=1) == truth)
    return parts


class _Rank:
    """The rows of one class against all others, from the most probable down; equally probable rows form one step."""

    def __init__(self, positive: NDArray[np.bool_], chances: Floats) -> None:
        self._order = np.argsort(-chances, kind="stable")
        ordered = chances[self._order]
        self._starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        self._positive = positive[self._order].astype(np.float64)

    def measures(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return the average precision and the area under the ROC curve under each row of weights."""
        ordered = weights[:, self._order]
        right = np.add.reduceat(ordered * self._positive, self._starts, axis=1)
        wrong = np.add.reduceat(ordered, self._starts, axis=1) - right
        true, false = right.cumsum(axis=1), wrong.cumsum(axis=1)
        total, others = true[:, -1:], false[:, -1:]
        precision = true / np.maximum(true + false, 1e-12)
        average = (right * precision).sum(axis=1) / np.maximum(total[:, 0], 1e-12)
        area = (wrong * (true - right / 2)).sum(axis=1) / np.maximum(total * others, 1e-12)[:, 0]
        return average, area
