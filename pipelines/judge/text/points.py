"""Turns texts into points and rare items, by which the privacy gate compares them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.judge.privacy.rare import Items
from pipelines.judge.privacy.vectors import Encode, project
from pipelines.validate.text.words import hash_words, list_texts, shingles
from schemas.plan import Plan

_NGRAMS = (2, 4)  # the lengths of runs of characters
_RUN = 3  # words in a run


def points(real: pa.Table, plan: Plan, seed: int) -> Encode:
    """Return a function that turns rows into points, learnt from real rows."""
    return text_points(real, str(plan.profile.text), seed)


def items(plan: Plan) -> Callable[[pa.Table], Items]:
    """Return a function that finds the words and runs of words of rows."""
    name = str(plan.profile.text)
    return lambda table: words(table, name)


def text_points(real: pa.Table, name: str, seed: int) -> Encode:
    """Return a function that turns texts into points: TF-IDF of short runs of characters, scaled to length 1."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    counted = HashingVectorizer(analyzer="char_wb", ngram_range=_NGRAMS, n_features=1 << 18, alternate_sign=False)
    weighted = TfidfTransformer().fit(counted.transform(list_texts(real[name])))

    def sparse(table: pa.Table) -> Any:
        return weighted.transform(counted.transform(list_texts(table[name])))

    return project(sparse, real, seed)


def words(table: pa.Table, name: str) -> Items:
    """Return the words of each text, and its runs of words, as items."""
    hashes = hash_words(list_texts(table[name]))
    runs = shingles(hashes, _RUN, short=False)
    rows = [np.repeat(np.arange(table.num_rows), sets.sizes) for sets in (hashes, runs)]
    return np.concatenate(rows), np.concatenate([hashes.values, runs.values])
