"""The remedies for uneven classes, from none to this build: each trains a classifier and predicts the held-out rows.

`REMEDIES` maps names to functions. A remedy that adds rows fills each class up to the number of rows that this build
has, so that all are compared at the same counts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.judge.evaluate.classifiers import Floats, Lesson, Predict, View, fit
from pipelines.judge.evaluate.rows import CLASS, MADE
from pipelines.modality import modality_of
from pipelines.plan.model_view import modelled
from pipelines.plan.registry import generator_class, make_generator
from pipelines.plan.seeds import derive_seed
from schemas.arrow import STRATUM
from schemas.evaluation import BUILD, MADE_ALONE
from schemas.plan import Plan, SampleRequest, Step

_FOLDS, _ONE_FOLD_FROM = 5, 5_000
_ENOUGH = 10
"""With so many rows of each class, some can be held out for choosing the threshold."""
_CHUNK = 512


@dataclass(frozen=True)
class Bench:
    """The data that all trials share: the rows (with `_class`), the numbers of minority classes, and target counts."""

    plan: Plan
    view: View
    raw: pa.Table
    built: pa.Table
    test: pa.Table
    classes: int
    minority: list[int]
    wanted: list[int]
    measure: str


@dataclass(frozen=True)
class Trial:
    """One training of one classifier."""

    bench: Bench
    classifier: str
    seed: int

    def learn(self, rows: NDArray[Any], target: NDArray[np.int64], *, weighted: bool = False) -> Predict:
        """Return a function that predicts, after the classifier learned from these rows."""
        bench = self.bench
        lesson = Lesson(bench.view, rows, target, bench.classes, weighted, self.seed)
        return fit(self.classifier, modality_of(bench.plan), lesson)

    def raw(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the raw rows and their classes."""
        return self.bench.view.rows(self.bench.raw), self.bench.raw[CLASS].to_numpy()

    def test(self, predict: Predict) -> "Prediction":
        """Return the prediction of the held-out rows, with the most probable class of each."""
        chances = predict(self.bench.view.rows(self.bench.test))
        return Prediction(chances, chances.argmax(axis=1))


@dataclass(frozen=True)
class Prediction:
    """The probability of each class, and the chosen class, of each held-out row."""

    chances: Floats
    decisions: NDArray[np.int64]


def _use_raw(trial: Trial) -> Prediction:
    return trial.test(trial.learn(*trial.raw()))


def _class_weights(trial: Trial) -> Prediction:
    return trial.test(trial.learn(*trial.raw(), weighted=True))


def _threshold(trial: Trial) -> Prediction:
    """Move the threshold for the rarer of two classes to the best one on rows that the classifier did not learn.

    With more classes, or few rows, each probability is divided by the class's share instead; by balanced accuracy that
    is the best decision where the probabilities are right (logit adjustment; Menon et al. 2021, arXiv:2007.07314).
    """
    rows, target = trial.raw()
    prediction = trial.test(trial.learn(rows, target))
    counts = np.bincount(target, minlength=trial.bench.classes)
    if trial.bench.classes > 2 or counts.min() < _ENOUGH:
        return Prediction(prediction.chances, (prediction.chances / np.maximum(counts, 1)).argmax(axis=1))
    rare = trial.bench.minority[0]
    chances, truth = _out_of_fold(trial, rows, target)
    is_rare = prediction.chances[:, rare] >= _best_threshold(truth == rare, chances[:, rare], trial.bench.measure)
    return Prediction(prediction.chances, np.where(is_rare, rare, 1 - rare))


def _out_of_fold(trial: Trial, rows: NDArray[Any], target: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
    """Return out-of-fold probabilities and classes: of all rows by cross-validation, of many rows those of one fold."""
    from sklearn.model_selection import StratifiedKFold

    folds = list(StratifiedKFold(_FOLDS, shuffle=True, random_state=trial.seed % 2**32).split(target, target))
    chances, truth = [], []
    for known, fold in folds[: 1 if len(target) >= _ONE_FOLD_FROM else None]:
        chances.append(trial.learn(rows[known], target[known])(rows[fold]))
        truth.append(target[fold])
    return np.concatenate(chances), np.concatenate(truth)


def _best_threshold(rare: NDArray[np.bool_], chances: Floats, measure: str) -> float:
    """Return the least probability at which to choose the rare class: the best by F1, else by balanced accuracy."""
    from sklearn.metrics import precision_recall_curve, roc_curve

    if measure == "f1":
        precision, recall, thresholds = precision_recall_curve(rare, chances)
        return float(thresholds[np.argmax((precision * recall / np.maximum(precision + recall, 1e-12))[:-1])])
    false, true, thresholds = roc_curve(rare, chances)
    return float(thresholds[np.argmax(true - false)])


def _over_sampling(trial: Trial) -> Prediction:
    """Draw rows of the smaller classes again."""
    from imblearn.over_sampling import RandomOverSampler

    rows, target = trial.raw()
    sampler = RandomOverSampler(sampling_strategy=_target_counts(trial, target), random_state=trial.seed % 2**32)
    drawn, target = sampler.fit_resample(np.arange(len(target))[:, None], target)
    return trial.test(trial.learn(rows[drawn[:, 0]], target))


def _smote(trial: Trial) -> Prediction:
    """Fill the smaller classes by SMOTE, SMOTE-NC or SMOTE-N, as the columns require (Chawla et al. 2002).

    It works on standardised numbers, with the median for missing ones; real rows stay as they are.
    """
    from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC

    rows, target = trial.raw()
    categorical = np.array(trial.bench.view.categorical, bool)
    counts = np.bincount(target, minlength=trial.bench.classes)
    wanted = {
        class_number: count for class_number, count in _target_counts(trial, target).items() if counts[class_number] > 1
    }
    if not wanted or not categorical.size:
        return _over_sampling(trial)
    settings = {
        "sampling_strategy": wanted,
        "k_neighbors": int(min(5, *(counts[class_number] - 1 for class_number in wanted))),
    }
    seed = trial.seed % 2**32
    if categorical.all():
        sampler = SMOTEN(random_state=seed, **settings)
    elif categorical.any():
        sampler = SMOTENC(np.flatnonzero(categorical).tolist(), random_state=seed, **settings)
    else:
        sampler = SMOTE(random_state=seed, **settings)
    filled, centre, scale = _standardise(rows, categorical)
    made, target = sampler.fit_resample(filled, target)
    more = made[len(rows) :] * scale + centre
    more[:, categorical] = np.where(more[:, categorical] < 0, np.nan, more[:, categorical])
    return trial.test(trial.learn(np.concatenate([rows, more]), target))


def _standardise(rows: Floats, categorical: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Return the rows without gaps and with standardised numbers, and the centre and scale that undo it.

    A missing category is the code -1.
    """
    with np.errstate(all="ignore"):
        known = np.where(np.isnan(rows).all(axis=0), 0.0, rows)
        filled = np.where(np.isnan(known), np.where(categorical, -1.0, np.nanmedian(known, axis=0)), known)
    centre = np.where(categorical, 0.0, filled.mean(axis=0))
    deviation = filled.std(axis=0)
    scale = np.where(categorical | (deviation == 0), 1.0, deviation)
    return (filled - centre) / scale, centre, scale


def _augmentation(trial: Trial) -> Prediction:
    """Fill the smaller classes with real texts or images changed by `edit` or `augment` with their defaults."""
    bench = trial.bench
    names = [str(class_number) for class_number in range(bench.classes)]
    columns = [column.name for column in modelled(bench.plan.profile)]
    stratum = pa.array(names).take(bench.raw[CLASS].combine_chunks())
    table = bench.raw.select(columns).append_column(STRATUM, stratum)
    generator = make_generator(Step(name=str(modality_of(bench.plan).augmentation), params={}))
    generator.fit(table, STRATUM, trial.seed)
    rows, target = trial.raw()
    parts, classes = [rows], [target]
    for class_number, wanted in _target_counts(trial, target).items():
        more = wanted - int(np.count_nonzero(target == class_number))
        for chunk, start in enumerate(range(0, more, _CHUNK)):
            seed = derive_seed(trial.seed, "augmentation", class_number, chunk)
            size = min(_CHUNK, more - start)
            made = generator.sample(SampleRequest(stratum=names[class_number], chunk=chunk, rows=size, seed=seed))
            parts.append(bench.view.rows(made))
            classes.append(np.full(size, class_number))
    return trial.test(trial.learn(np.concatenate(parts), np.concatenate(classes)))


def _use_build(trial: Trial) -> Prediction:
    built = trial.bench.built
    return trial.test(trial.learn(trial.bench.view.rows(built), built[CLASS].to_numpy()))


def _use_made_rows(trial: Trial) -> Prediction:
    """Train on made rows, test on real ones: no real rows of classes that have made rows (Esteban et al. 2017)."""
    built = trial.bench.built
    target, made = built[CLASS].to_numpy(), built[MADE].to_numpy()
    kept = made | ~np.isin(target, np.unique(target[made]))
    rows = built.filter(pa.array(kept))
    return trial.test(trial.learn(trial.bench.view.rows(rows), target[kept]))


REMEDIES: Mapping[str, Callable[[Trial], Prediction]] = {
    "raw": _use_raw,
    "class_weights": _class_weights,
    "threshold": _threshold,
    "over_sampling": _over_sampling,
    "smote": _smote,
    "augmentation": _augmentation,
    BUILD: _use_build,
    MADE_ALONE: _use_made_rows,
}
"""Every remedy by its name in a spec, the cheapest first, and this build."""


def same_as(plan: Plan) -> str | None:
    """Return the cheaper remedy that equals the plan's generator, or None."""
    name = plan.generator.name
    return "augmentation" if name == modality_of(plan).augmentation else generator_class(name).capabilities.remedy


SEEDLESS = frozenset({"raw", "class_weights", BUILD, MADE_ALONE})
"""Remedies without randomness of their own."""


def _target_counts(trial: Trial, target: NDArray[np.int64]) -> dict[int, int]:
    """Return how many rows each class that grows shall have, by its number."""
    counts = np.bincount(target, minlength=trial.bench.classes).tolist()
    return {
        class_number: rows for class_number, rows in enumerate(trial.bench.wanted) if rows > counts[class_number] > 0
    }
