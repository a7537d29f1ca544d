"""The remedies for uneven classes, from none to this build: each trains one classifier and predicts the held-out rows.

A name, a function. Whatever adds rows fills each class up to what this build holds of it, so that all are compared at
the same counts.
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
from pipelines.plan.features import modelled
from pipelines.plan.registry import generator_class, make_generator
from pipelines.plan.seeds import derive_seed
from schemas.arrow import STRATUM
from schemas.evaluation import BUILD, MADE_ALONE
from schemas.plan import Plan, SampleRequest, Step

_FOLDS, _ONE_FOLD_FROM = 5, 5_000
_ENOUGH = 10
"""Rows of each class from which a part of them can be kept aside to move the threshold by."""
_CHUNK = 512


@dataclass(frozen=True)
class Bench:
    """What all trials share: the rows (with `_class`), the places of the minority classes, and the counts to reach."""

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
    """One classifier, trained once."""

    bench: Bench
    classifier: str
    seed: int

    def learn(self, rows: NDArray[Any], target: NDArray[np.int64], *, weighted: bool = False) -> Predict:
        """Return what the classifier predicts by, once it learned from these rows."""
        bench = self.bench
        lesson = Lesson(bench.view, rows, target, bench.classes, weighted, self.seed)
        return fit(self.classifier, modality_of(bench.plan), lesson)

    def raw(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the raw rows and their classes."""
        return self.bench.view.rows(self.bench.raw), self.bench.raw[CLASS].to_numpy()

    def tested(self, predict: Predict) -> "Prediction":
        """Return the most likely classes of the held-out rows."""
        chances = predict(self.bench.view.rows(self.bench.test))
        return Prediction(chances, chances.argmax(axis=1))


@dataclass(frozen=True)
class Prediction:
    """Of each held-out row: the probability of each class, and the class that was decided for."""

    chances: Floats
    decisions: NDArray[np.int64]


def _raw(trial: Trial) -> Prediction:
    return trial.tested(trial.learn(*trial.raw()))


def _class_weights(trial: Trial) -> Prediction:
    return trial.tested(trial.learn(*trial.raw(), weighted=True))


def _threshold(trial: Trial) -> Prediction:
    """Move the threshold that the rarer of two classes is decided by, as rows that were kept aside tell.

    Of more classes, or few rows, each probability is divided by the class's share instead, which is the best decision
    by balanced accuracy where the probabilities are right (logit adjustment; Menon et al. 2021, arXiv:2007.07314).
    """
    rows, target = trial.raw()
    found = trial.tested(trial.learn(rows, target))
    counts = np.bincount(target, minlength=trial.bench.classes)
    if trial.bench.classes > 2 or counts.min() < _ENOUGH:
        return Prediction(found.chances, (found.chances / np.maximum(counts, 1)).argmax(axis=1))
    rare = trial.bench.minority[0]
    chances, truth = _kept_aside(trial, rows, target)
    moved = found.chances[:, rare] >= _best_threshold(truth == rare, chances[:, rare], trial.bench.measure)
    return Prediction(found.chances, np.where(moved, rare, 1 - rare))


def _kept_aside(trial: Trial, rows: NDArray[Any], target: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
    """Return what the classifier says of rows that it did not learn: of few rows all in turn, of many a fifth."""
    from sklearn.model_selection import StratifiedKFold

    folds = list(StratifiedKFold(_FOLDS, shuffle=True, random_state=trial.seed % 2**32).split(target, target))
    chances, truth = [], []
    for known, aside in folds[: 1 if len(target) >= _ONE_FOLD_FROM else None]:
        chances.append(trial.learn(rows[known], target[known])(rows[aside]))
        truth.append(target[aside])
    return np.concatenate(chances), np.concatenate(truth)


def _best_threshold(rare: NDArray[np.bool_], chances: Floats, measure: str) -> float:
    """Return the probability from which on the rare class is decided for: best by F1, else by balanced accuracy."""
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
    sampler = RandomOverSampler(sampling_strategy=_strategy(trial, target), random_state=trial.seed % 2**32)
    drawn, target = sampler.fit_resample(np.arange(len(target))[:, None], target)
    return trial.tested(trial.learn(rows[drawn[:, 0]], target))


def _smote(trial: Trial) -> Prediction:
    """Fill the smaller classes by SMOTE, SMOTE-NC or SMOTE-N, as the columns require (Chawla et al. 2002).

    It learns from standardised numbers, the median in place of missing ones; real rows stay as they are.
    """
    from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC

    rows, target = trial.raw()
    categorical = np.array(trial.bench.view.categorical, bool)
    few = np.bincount(target, minlength=trial.bench.classes)
    wanted = {place: count for place, count in _strategy(trial, target).items() if few[place] > 1}
    if not wanted or not categorical.size:
        return _over_sampling(trial)
    settings = {
        "sampling_strategy": wanted,
        "k_neighbors": int(min(5, *(few[place] - 1 for place in wanted))),
    }
    seed = trial.seed % 2**32
    if categorical.all():
        sampler = SMOTEN(random_state=seed, **settings)
    elif categorical.any():
        sampler = SMOTENC(np.flatnonzero(categorical).tolist(), random_state=seed, **settings)
    else:
        sampler = SMOTE(random_state=seed, **settings)
    filled, centre, scale = _standardised(rows, categorical)
    made, target = sampler.fit_resample(filled, target)
    more = made[len(rows) :] * scale + centre
    more[:, categorical] = np.where(more[:, categorical] < 0, np.nan, more[:, categorical])
    return trial.tested(trial.learn(np.concatenate([rows, more]), target))


def _standardised(rows: Floats, categorical: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Return the rows without gaps, numbers of mean 0 and deviation 1, and what takes them back.

    A category that is missing is the code -1.
    """
    with np.errstate(all="ignore"):
        known = np.where(np.isnan(rows).all(axis=0), 0.0, rows)
        filled = np.where(np.isnan(known), np.where(categorical, -1.0, np.nanmedian(known, axis=0)), known)
    centre = np.where(categorical, 0.0, filled.mean(axis=0))
    deviation = filled.std(axis=0)
    scale = np.where(categorical | (deviation == 0), 1.0, deviation)
    return (filled - centre) / scale, centre, scale


def _augmentation(trial: Trial) -> Prediction:
    """Fill the smaller classes with real texts or images that were changed as `edit` and `augment` do by default."""
    bench = trial.bench
    names = [str(place) for place in range(bench.classes)]
    columns = [column.name for column in modelled(bench.plan.profile)]
    stratum = pa.array(names).take(bench.raw[CLASS].combine_chunks())
    table = bench.raw.select(columns).append_column(STRATUM, stratum)
    generator = make_generator(Step(name=str(modality_of(bench.plan).augmentation), params={}))
    generator.fit(table, STRATUM, trial.seed)
    rows, target = trial.raw()
    parts, classes = [rows], [target]
    for place, wanted in _strategy(trial, target).items():
        more = wanted - int(np.count_nonzero(target == place))
        for chunk, start in enumerate(range(0, more, _CHUNK)):
            seed = derive_seed(trial.seed, "augmentation", place, chunk)
            size = min(_CHUNK, more - start)
            made = generator.sample(SampleRequest(stratum=names[place], chunk=chunk, rows=size, seed=seed))
            parts.append(bench.view.rows(made))
            classes.append(np.full(size, place))
    return trial.tested(trial.learn(np.concatenate(parts), np.concatenate(classes)))


def _build(trial: Trial) -> Prediction:
    built = trial.bench.built
    return trial.tested(trial.learn(trial.bench.view.rows(built), built[CLASS].to_numpy()))


def _made_alone(trial: Trial) -> Prediction:
    """Train on made rows, test on real ones: no real row of a class that has made rows (Esteban et al. 2017)."""
    built = trial.bench.built
    target, made = built[CLASS].to_numpy(), built[MADE].to_numpy()
    kept = made | ~np.isin(target, np.unique(target[made]))
    rows = built.filter(pa.array(kept))
    return trial.tested(trial.learn(trial.bench.view.rows(rows), target[kept]))


REMEDIES: Mapping[str, Callable[[Trial], Prediction]] = {
    "raw": _raw,
    "class_weights": _class_weights,
    "threshold": _threshold,
    "over_sampling": _over_sampling,
    "smote": _smote,
    "augmentation": _augmentation,
    BUILD: _build,
    MADE_ALONE: _made_alone,
}
"""Every remedy by the name that a spec gives it, the cheapest first, and this build."""


def same_as(plan: Plan) -> str | None:
    """Return the cheaper remedy that the plan's generator is itself, if it is one."""
    name = plan.generator.name
    return "augmentation" if name == modality_of(plan).augmentation else generator_class(name).capabilities.remedy


SEEDLESS = frozenset({"raw", "class_weights", BUILD, MADE_ALONE})
"""Remedies without randomness of their own."""


def _strategy(trial: Trial, target: NDArray[np.int64]) -> dict[int, int]:
    """Return the rows that each class which is to grow shall have."""
    counts = np.bincount(target, minlength=trial.bench.classes).tolist()
    return {place: rows for place, rows in enumerate(trial.bench.wanted) if rows > counts[place] > 0}
