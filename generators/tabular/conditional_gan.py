"""Makes ctgan's CTGAN a GAN that is conditioned on the class alone. Imports torch: import this inside methods."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeGuard
from unittest.mock import patch

import joblib  # type: ignore[import-untyped]
import numpy as np
import torch
from ctgan.data_sampler import DataSampler
from ctgan.synthesizers.ctgan import CTGAN, Generator
from safetensors.torch import load_file, save_file

from generators.tabular.modes import (
    Categories,
    Layout,
    Modes,
    count_outputs,
    extract_layout,
    layout_from_json,
    layout_to_json,
    to_frame,
)
from generators.tabular.params import CTGANParams

log = logging.getLogger(__name__)


class ClassSampler(DataSampler):  # type: ignore[misc] # ctgan has no types
    """CTGAN's training-by-sampling, in which the class is the condition of every row.

    The class is the first discrete column. ctgan draws one of all discrete columns for each row; on Adult the class is
    then the condition of one row in fourteen, and the model hardly learns it. Classes are drawn by the logarithm of
    their frequency, as in ctgan.
    """

    def sample_condvec(self, batch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the condition (batch x categories), mask (batch x discrete columns), each row's column and class."""
        column = np.zeros(batch, dtype=np.int64)
        chosen = self._random_choice_prob_index(column)
        condition = np.zeros((batch, self._n_categories), dtype=np.float32)
        condition[np.arange(batch), chosen] = 1
        mask = np.zeros((batch, self._n_discrete_columns), dtype=np.float32)
        mask[:, 0] = 1
        return condition, mask, column, chosen

    def sample_data(self, data: np.ndarray, n: int, col: np.ndarray, opt: np.ndarray) -> np.ndarray:  # noqa: ARG002
        """Return a random row for each class in `opt`, `n` rows in all."""
        chosen = np.empty(n, dtype=np.int64)
        for wanted in np.unique(opt):
            at = opt == wanted
            rows = self._rid_by_cat_cols[0][wanted]
            chosen[at] = rows[np.random.randint(len(rows), size=int(at.sum()))]
        return data[chosen]


@contextmanager
def class_conditions() -> Iterator[None]:
    """Make CTGAN's fit use `ClassSampler`, log its epochs, and stay in this process.

    ctgan starts joblib's workers for tables of 500 rows and more; they would draw from unseeded random states.
    """
    with (
        patch("ctgan.synthesizers.ctgan.DataSampler", ClassSampler),
        patch("ctgan.synthesizers.ctgan.tqdm", _log_epochs),
        patch("sdv.single_table.CTGANSynthesizer._print_warning"),  # of many categories, on stdout: `frame` limits them
        joblib.parallel_config(backend="sequential"),
    ):
        yield


def _log_epochs(epochs: range, disable: bool) -> Iterator[int]:  # noqa: ARG001 - stands in for tqdm
    for epoch in epochs:
        yield epoch
        log.info("ctgan: epoch %d of %d", epoch + 1, len(epochs))


class ConditionalGAN:
    """The generator network of a fitted CTGAN, and what is needed to draw rows from it.

    Its batch normalisation uses the learned statistics. With the statistics of the batch, as ctgan does it, a condition
    that all rows share is normalised away: on Adult a quarter of the rows requested as `>50K` were of that class,
    against nine tenths here.
    """

    def __init__(self, layout: Layout, label: str, params: CTGANParams) -> None:
        self.layout = layout
        self.label = label
        self.params = params
        self.classes = next(column.values for column in layout if _is_category_column(column, label))
        self.conditions = sum(sum(column.sizes) for column in layout if isinstance(column, Categories))
        self.network = Generator(params.embedding_dim + self.conditions, params.generator_dim, count_outputs(layout))
        self.set_device("cpu")

    @classmethod
    def of(cls, model: CTGAN, label: str, params: CTGANParams) -> "ConditionalGAN":
        """Return the network of a fitted CTGAN; `label` is its first column of categories."""
        gan = cls(extract_layout(model._transformer), label, params)
        gan.network.load_state_dict(model._generator.state_dict())
        return gan

    @torch.no_grad()
    def sample(self, rows: int, stratum: str) -> Any:
        """Return a frame of `rows` rows of the class `stratum`; randomness is torch's global state, on the CPU.

        It draws whole batches and one more, as ctgan does.
        """
        size = self.params.batch_size
        condition = torch.zeros(size, self.conditions)
        condition[:, self.classes.index(stratum)] = 1
        parts = []
        for _ in range(rows // size + 1):
            noise = torch.normal(mean=torch.zeros(size, self.params.embedding_dim), std=1.0)
            outputs = self.network(torch.cat([noise, condition], dim=1).to(self.device))
            parts.append(self._activate(outputs).cpu().numpy())
        return to_frame(self.layout, np.concatenate(parts)[:rows])

    def _activate(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return tanh of the numbers, and one-hots drawn by ctgan's Gumbel softmax."""
        parts = torch.split(outputs, [size for column in self.layout for size in column.sizes], dim=1)
        is_offset = [
            isinstance(column, Modes) and not number for column in self.layout for number in range(len(column.sizes))
        ]
        return torch.cat(
            [
                torch.tanh(part) if offset else CTGAN._gumbel_softmax(part, tau=0.2)
                for part, offset in zip(parts, is_offset, strict=True)
            ],
            dim=1,
        )

    def set_device(self, device: str) -> None:
        """Move the network to `cpu` or `cuda`."""
        self.device = device
        self.network.to(device).eval()

    def save(self, path: Path) -> None:
        """Write layout.json and network.safetensors into the folder."""
        (path / "layout.json").write_text(json.dumps(layout_to_json(self.layout)))
        save_file(self.network.state_dict(), path / "network.safetensors")

    @classmethod
    def load(cls, path: Path, label: str, params: CTGANParams) -> "ConditionalGAN":
        """Read what `save` wrote."""
        gan = cls(layout_from_json(json.loads((path / "layout.json").read_text())), label, params)
        gan.network.load_state_dict(load_file(path / "network.safetensors"))
        return gan


def _is_category_column(column: Categories | Modes, name: str) -> TypeGuard[Categories]:
    return isinstance(column, Categories) and column.name == name
