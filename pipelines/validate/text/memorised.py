"""Refuses memorised texts: no candidate may hold a long run of words of one real text.

A run of more than `max_words` words is copied if, and only if, some run of exactly one word more is; so it is enough to
search for those, by their 64-bit hashes. In scripts without spaces a character counts as a word.

It is not a default: a text that is made from a real one (edited, paraphrased) shares runs with it by design. It is for
models that must not reveal what they were trained on.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field

from generators import base
from pipelines.storage.arrays import map_array
from pipelines.validate.base import Batch, Verdict
from pipelines.validate.duplicates import contains
from pipelines.validate.sets import Hashes, Sets
from pipelines.validate.text.words import hash_words, list_texts, shingles
from schemas.plan import Plan

_FILE = "runs.npy"
_MERGED = 1 << 22  # hashes collected before duplicates are dropped


class MemorisedParams(base.Params):
    """How much may be copied."""

    max_words: int = Field(8, ge=1, le=1000, description="Longest run of words that one real text may share.")


class Memorised:
    """Refuses texts that copy more than `max_words` words in a row from one real text, of any class.

    Example:
        validate: [text, {name: memorised, params: {max_words: 12}}]

    """

    name: ClassVar[str] = "memorised"
    Params: ClassVar[type[base.Params]] = MemorisedParams

    def __init__(self, params: MemorisedParams, plan: Plan) -> None:
        self._params = params
        self._text = plan.profile.text
        self._runs: Hashes = np.zeros(0, np.uint64)

    def fit(self, real: Iterable[Batch]) -> None:
        """Remember the runs of the real texts: 8 bytes for each distinct one, for a short time 16."""
        runs, fresh = np.zeros(0, np.uint64), [np.zeros(0, np.uint64)]
        for batch in real:
            fresh.append(np.unique(self._hash_runs(batch).values))
            if sum(map(len, fresh)) > max(_MERGED, len(runs)):
                runs, fresh = np.unique(np.concatenate([runs, *fresh])), []
        self._runs = np.unique(np.concatenate([runs, *fresh]))

    def check(self, batch: Batch) -> Verdict:
        """Refuse texts that have a run of a real text."""
        runs = self._hash_runs(batch)
        copied = np.zeros(batch.table.num_rows, np.bool_)
        copied[runs.rows[contains(self._runs, runs.values)]] = True
        count = int(copied.sum())
        return Verdict(~copied, {f"{self._params.max_words + 1} words or more of a real text": count} if count else {})

    def save(self, path: Path) -> None:
        """Write the sorted hashes as one npy file."""
        np.save(path / _FILE, self._runs)

    def load(self, path: Path) -> None:
        """Map the file into memory: actors on one machine share its pages."""
        self._runs = map_array(path / _FILE)

    def _hash_runs(self, batch: Batch) -> Sets:
        texts = list_texts(batch.table.column(self._text))
        return shingles(hash_words(texts), self._params.max_words + 1, short=False)
