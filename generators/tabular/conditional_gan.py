"""The parts that make ctgan's CTGAN a GAN of classes. Imports torch: import it inside the methods that use it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import joblib  # type: ignore[import-untyped]
import numpy as np
from ctgan.data_sampler import DataSampler

log = logging.getLogger(__name__)


class ClassSampler(DataSampler):  # type: ignore[misc] # ctgan has no types
    """CTGAN's training-by-sampling with the first discrete column, the class, as the condition of every row.

    ctgan draws one of all discrete columns for each row, so that a class is the condition of one row in fourteen on
    Adult, and what it learns of the class is faint. Classes are drawn by the logarithm of their frequency, as there.
    """

    def sample_condvec(self, batch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return condition (batch x categories), mask (batch x discrete columns), and each row's column and class."""
        column = np.zeros(batch, dtype=np.int64)
        chosen = self._random_choice_prob_index(column)
        condition = np.zeros((batch, self._n_categories), dtype=np.float32)
        condition[np.arange(batch), chosen] = 1
        mask = np.zeros((batch, self._n_discrete_columns), dtype=np.float32)
        mask[:, 0] = 1
        return condition, mask, column, chosen

    def sample_data(self, data: np.ndarray, n: int, col: np.ndarray, opt: np.ndarray) -> np.ndarray:  # noqa: ARG002
        """Return for each class in `opt` a random row of it, `n` rows in all."""
        chosen = np.empty(n, dtype=np.int64)
        for wanted in np.unique(opt):
            at = opt == wanted
            rows = self._rid_by_cat_cols[0][wanted]
            chosen[at] = rows[np.random.randint(len(rows), size=int(at.sum()))]
        return data[chosen]


@contextmanager
def class_conditions() -> Iterator[None]:
    """Let CTGAN's fit use `ClassSampler`, log its epochs, and stay in this process.

    joblib's workers, which ctgan starts for tables of 500 rows and more, would draw from unseeded random states.
    """
    with (
        patch("ctgan.synthesizers.ctgan.DataSampler", ClassSampler),
        patch("ctgan.synthesizers.ctgan.tqdm", _logged),
        patch("sdv.single_table.CTGANSynthesizer._print_warning"),  # of many categories, on stdout: `frame` limits them
        joblib.parallel_config(backend="sequential"),
    ):
        yield


def _logged(epochs: range, disable: bool) -> Iterator[int]:  # noqa: ARG001 - stands in for tqdm
    for epoch in epochs:
        yield epoch
        log.info("ctgan: epoch %d of %d", epoch + 1, len(epochs))


def ready_to_sample(model: Any) -> None:
    """Prepare a fitted or loaded `ctgan.CTGAN` for `sample` with a condition.

    The generator's batch normalisation must use what it learned: with the batch's own statistics, ctgan's way, a
    condition that all rows share is normalised away (on Adult a quarter of the rows asked for as `>50K` were so,
    against nine tenths). The rows' numbers by category serve training alone, and would be saved with the model.
    """
    model._generator.eval()
    model._data_sampler._rid_by_cat_cols = []
