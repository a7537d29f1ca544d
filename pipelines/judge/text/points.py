"""Texts as points, and what is rare in one: what the privacy gate compares them by."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.judge.privacy.rare import Items
from pipelines.judge.privacy.vectors import Encode, projected
from pipelines.validate.text.words import hash_words, list_texts, shingles
from schemas.plan import Plan

_NGRAMS = (2, 4)  # characters that are looked at together
_RUN = 3  # words that are looked at together


def points(real: pa.Table, plan: Plan, seed: int) -> Encode:
    """Return what makes points of rows, learnt from real ones."""
    return text_points(real, str(plan.profile.text), seed)


def items(plan: Plan) -> Callable[[pa.Table], Items]:
    """Return what finds the words of rows, and the runs of words."""
    name = str(plan.profile.text)
    return lambda table: words(table, name)


def text_points(real: pa.Table, name: str, seed: int) -> Encode:
    """Look at texts as TF-IDF of short runs of characters, each of length 1."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    counted = HashingVectorizer(analyzer="char_wb", ngram_range=_NGRAMS, n_features=1 << 18, alternate_sign=False)
    weighted = TfidfTransformer().fit(counted.transform(list_texts(real[name])))

    def sparse(table: pa.Table) -> Any:
        return weighted.transform(counted.transform(list_texts(table[name])))

    return projected(sparse, real, seed)


def words(table: pa.Table, name: str) -> Items:
    """Return the words of each text, and each few that follow one another."""
    found = hash_words(list_texts(table[name]))
    runs = shingles(found, _RUN, short=False)
    rows = [np.repeat(np.arange(table.num_rows), sets.sizes) for sets in (found, runs)]
    return np.concatenate(rows), np.concatenate([found.values, runs.values])
