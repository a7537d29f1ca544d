"""What synthetic rows of a table are worth: Adult, its rarer class cut to 500 rows, on all 16,281 real held-out rows.

For each seed 500 rows of `>50K` are drawn from the training file; each remedy but the first two fills that class up to
the count of the other. Gradient boosting (codes of categories, as categories) and a logistic regression (one column a
category, numbers standardised). The last remedy is a whole build with the defaults of everything.
"""

import sys
import tempfile
import time
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from generators.tabular.autoregressive import Autoregressive
from generators.tabular.smote import SMOTE
from schemas.plan import SampleRequest
from schemas.spec import Spec, parse
from tests.benchmarks.common import machine, timed_build
from tests.conftest import ROOT

ADULT = ROOT.parent / "shared" / "data" / "adult"
LABEL, RARE, RARE_ROWS = "income", ">50K", 500
SEEDS = range(5)


def read(name):
    """Return one of Adult's files; `?` is a missing value."""
    return pd.read_csv(ADULT / name, na_values=["?"], skipinitialspace=True)


def kept_rows(seed):
    """Return the places of the rare rows that a seed keeps."""
    rare = np.flatnonzero(read("train.csv")[LABEL] == RARE)
    return np.random.default_rng(seed).choice(rare, RARE_ROWS, replace=False)


def cut(seed):
    """Return the training rows of a seed."""
    table = read("train.csv")
    places = np.r_[kept_rows(seed), np.flatnonzero(table[LABEL] != RARE)]
    return table.iloc[np.sort(places)].reset_index(drop=True)


def classifiers(table, weights):
    """Return the two classifiers, not yet fitted."""
    texts = [name for name in table if table[name].dtype == object and name != LABEL]
    numbers = [name for name in table if name not in texts and name != LABEL]
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    trees = HistGradientBoostingClassifier(categorical_features=range(len(texts)), class_weight=weights, random_state=0)
    dense = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), texts), (dense, numbers))
    return {
        "boosting": make_pipeline(make_column_transformer((codes, texts), remainder="passthrough"), trees),
        "logistic": make_pipeline(columns, LogisticRegression(max_iter=1000, class_weight=weights)),
    }


def figures(train, test, weights=None):
    """Return for each classifier ROC AUC, average precision, F1 and balanced accuracy."""
    found = {}
    truth = test[LABEL] == RARE
    for name, model in classifiers(train, weights).items():
        model.fit(train.drop(columns=LABEL), train[LABEL] == RARE)
        chance = model.predict_proba(test.drop(columns=LABEL))[:, 1]
        measures = roc_auc_score, average_precision_score
        decided = [measure(truth, chance > 0.5) for measure in (f1_score, balanced_accuracy_score)]
        found[name] = [*(measure(truth, chance) for measure in measures), *decided]
    return found


def oversampled(train, seed):
    """Return the rows with rare ones drawn again, until both classes are alike."""
    rare = train[train[LABEL] == RARE]
    drawn = rare.sample(missing(train), replace=True, random_state=seed)
    return pd.concat([train, drawn], ignore_index=True)


def missing(train):
    """Return how many rare rows are missing."""
    return int((train[LABEL] != RARE).sum()) - int((train[LABEL] == RARE).sum())


def filled(generator, train, seed):
    """Return the rows with as many of the generator's as were missing."""
    table = pa.Table.from_pandas(train, preserve_index=False)
    generator.fit(table, LABEL, seed)
    request = SampleRequest(stratum=RARE, chunk=0, rows=missing(train), seed=seed)
    return pd.concat([train, as_frame(generator.sample(request))], ignore_index=True)


def as_frame(table):
    """Return a frame whose missing texts are NaN, as pandas reads them."""
    frame = table.to_pandas()
    texts = frame.select_dtypes(object)
    return frame.assign(**texts.where(texts.notna(), np.nan))


def built(train, folder, seed):
    """Return the rows of a whole build with all defaults, those that it made, and its times."""
    train.to_csv(folder / "train.csv", index=False)
    data = {"name": "adult", "seed": seed, "source": {"path": str(folder / "train.csv"), "label": LABEL}}
    manifest, watch = timed_build(parse(Spec, data | {"output": {"path": str(folder / f"out{seed}")}}))
    shards = [folder / f"out{seed}" / shard.path for shard in manifest.shards]
    rows = pa.concat_tables(pq.read_table(shard) for shard in shards)
    frame = as_frame(rows.select([*train.columns, "_origin"]))
    print(f"  fit {watch.seconds('fit', 'fill'):.0f} s, fill {watch.seconds('fill', 'write'):.0f} s", file=sys.stderr)
    return frame.drop(columns="_origin"), frame[frame._origin != "real"].drop(columns="_origin")


def detector_auc(made, seed):
    """Return how well boosting tells made rows from real ones of their class that the model never saw."""
    table = read("train.csv")
    table = table[table[LABEL] == RARE]
    unseen = table[~table.index.isin(kept_rows(seed))].sample(4000, random_state=seed)
    both = pd.concat([unseen, made.sample(4000, random_state=seed)], ignore_index=True)
    target = np.repeat([0, 1], 4000)
    model = classifiers(both, None)["boosting"]
    chance = cross_val_predict(model, both.drop(columns=LABEL), target, cv=5, method="predict_proba")[:, 1]
    return roc_auc_score(target, chance)


def sampling_rate(train):
    """Return the seconds of a fit, and the rows a second that one process samples."""
    generator = Autoregressive(Autoregressive.Params())
    start = time.perf_counter()
    generator.fit(pa.Table.from_pandas(train, preserve_index=False), LABEL, 0)
    fit, start = time.perf_counter() - start, time.perf_counter()
    for chunk in range(10):
        generator.sample(SampleRequest(stratum=RARE, chunk=chunk, rows=5000, seed=chunk))
    return fit, 50_000 / (time.perf_counter() - start)


def main(seeds) -> None:
    """Print the table; the mean over the seeds."""
    warnings.simplefilter("ignore")
    if not ADULT.is_dir():
        sys.exit(f"needs the Adult table at {ADULT}")
    test, scores, told = read("test.csv"), defaultdict(list), []
    for seed in seeds:
        train = cut(seed)
        with tempfile.TemporaryDirectory() as folder:
            whole, made = built(train, Path(folder), seed)
        told.append(detector_auc(made, seed))
        found = {
            "raw": figures(train, test),
            "class weights": figures(train, test, "balanced"),
            "over-sampling": figures(oversampled(train, seed), test),
            "smote": figures(filled(SMOTE(SMOTE.Params()), train, seed), test),
            "makeweight": figures(whole, test),
        }
        for name, one in found.items():
            scores[name].append([one["boosting"], one["logistic"]])
            print(f"seed {seed}: {name:14}", *(f"{v:.3f}" for v in np.ravel(scores[name][-1])), file=sys.stderr)
    print("| remedy | ROC AUC | average precision | F1 | balanced accuracy |\n| --- | --- | --- | --- | --- |")
    for name, some in scores.items():
        mean = np.mean(some, axis=0)
        print(f"| {name} | " + " | ".join(f"{a:.3f} / {b:.3f}" for a, b in mean.T) + " |")
    print(f"(gradient boosting / logistic regression; {machine()}, mean of {len(seeds)} seeds)")
    print(f"detector AUC within {RARE}, against real rows never seen: {np.mean(told):.3f}")
    fit, rate = sampling_rate(train)
    print(f"autoregressive on the last seed: fit {fit:.0f} s, {rate:,.0f} rows/s sampled by one process")


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or list(SEEDS))
