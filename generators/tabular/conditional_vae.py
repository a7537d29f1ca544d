"""A TVAE that is conditioned on the class. Imports torch: import this inside methods."""

import json
import math
from itertools import accumulate
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import torch
from ctgan.data_transformer import DataTransformer
from ctgan.synthesizers.tvae import Decoder, Encoder, _loss_function
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import one_hot

from generators import training as loop
from generators.base import Training
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


class Epochs:
    """The row numbers of each batch: an epoch is as many weighted draws as there are rows.

    The random state is used as torch's DataLoader uses it, which first draws a seed for its workers.
    """

    def __init__(self, weights: Tensor, size: int) -> None:
        self._weights, self._size = weights, size
        self._drawn = torch.empty(0, dtype=torch.int64)

    def draw(self) -> Tensor:
        """Return the rows of the next batch; the last batch of an epoch may be smaller."""
        if not len(self._drawn):
            torch.empty((), dtype=torch.int64).random_()
            self._drawn = torch.multinomial(self._weights, len(self._weights), replacement=True)
        batch, self._drawn = self._drawn[: self._size], self._drawn[self._size :]
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Return the draws that are not used yet."""
        return {"drawn": self._drawn.clone()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a state."""
        self._drawn = state_dict["drawn"]


class _RowsTask:
    """Trains an encoder that compresses rows to few numbers, and a decoder that restores them."""

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        rows: tuple[Tensor, Tensor],
        order: Epochs,
        spans: Any,
        settings: Any,
    ) -> None:
        self.network: nn.Module = nn.ModuleDict({"encoder": encoder, "decoder": decoder})
        self.result: nn.Module = decoder
        self.order = order
        weights = [*encoder.parameters(), *decoder.parameters()]
        self._optimizer = torch.optim.Adam(weights, lr=settings.learning_rate, weight_decay=settings.weight_decay)
        self.optimizers = [self._optimizer]
        self._encoder, self._decoder, self._rows, self._spans = encoder, decoder, rows, spans
        self._weight = settings.reconstruction_weight

    def learn(self) -> Tensor:
        """Do one step on one batch."""
        rows, device = self.order.draw(), self._decoder.sigma.device
        batch, condition = (part[rows].to(device) for part in self._rows)
        loss = self._loss(batch, condition)
        loop.descend(self._optimizer, loss)
        self._decoder.sigma.data.clamp_(0.01, 1.0)  # as TVAE does
        return loss.detach()

    def _loss(self, batch: Tensor, condition: Tensor) -> Tensor:
        mean, deviation, log_variance = self._encoder(torch.cat([batch, condition], dim=1))
        latent = mean + deviation * torch.randn_like(deviation)
        rebuilt, sigmas = self._decoder(torch.cat([latent, condition], dim=1))
        rebuilding, divergence = _loss_function(rebuilt, batch, sigmas, mean, log_variance, self._spans, self._weight)
        return rebuilding + divergence  # type: ignore[no-any-return]

    def judge(self, model: nn.Module) -> None:
        """Return None: all rows are learnt, and none is held out."""


def _training_settings(settings: Any, rows: int) -> loop.Settings:
    """Return the settings of a training on so many rows: all epochs, at one rate."""
    epoch = math.ceil(rows / settings.batch_size)
    steps = settings.epochs * epoch
    return loop.Settings(
        steps=steps,
        schedule=loop.Schedule(steps, 0, falls=False),
        look_every=epoch,
        report_every=max(1, epoch // loop.REPORTS),
        keep_every=loop.KEEP_EVERY,
        patience=1,
    )


class ConditionalTVAE:
    """ctgan's TVAE with the class as an additional input of encoder and decoder.

    Xu et al. 2019 (arXiv:1907.00503) for the TVAE, Sohn et al. 2015 ("Learning structured output representation using
    deep conditional generative models") for the condition. All randomness is torch's and numpy's global state.
    """

    def __init__(self, *, embedding_dim: int, encoder_dim: tuple[int, ...], decoder_dim: tuple[int, ...]) -> None:
        self.embedding_dim = embedding_dim
        self.encoder_dim = encoder_dim
        self.decoder_dim = decoder_dim

    def fit(
        self, frame: Any, texts: list[str], classes: np.ndarray, settings: Any, device: str, training: Training
    ) -> None:
        """Learn from a frame without its label; `texts` are its columns of categories, `classes` the label.

        `settings` are `TVAEParams`. Classes are drawn by the logarithm of their frequency, as in CTGAN, so that a rare
        one is learned too.
        """
        names, codes, counts = np.unique(classes, return_inverse=True, return_counts=True)
        self.classes = [str(name) for name in names]
        transformer = DataTransformer()
        with joblib.parallel_config(backend="sequential"):  # joblib's workers would draw from unseeded states
            transformer.fit(frame, texts)
            rows = torch.from_numpy(transformer.transform(frame).astype(np.float32))
        self.layout = extract_layout(transformer)
        conditions = one_hot(torch.from_numpy(codes), len(self.classes)).float()
        order = Epochs(torch.from_numpy((np.log(counts + 1) / counts)[codes]), settings.batch_size)
        encoder = Encoder(rows.shape[1] + len(self.classes), self.encoder_dim, self.embedding_dim).to(device)
        self.decoder = self._new_decoder().to(device)
        task = _RowsTask(encoder, self.decoder, (rows, conditions), order, transformer.output_info_list, settings)
        loop.train(task, _training_settings(settings, len(rows)), training)
        self.set_device("cpu")

    def _new_decoder(self) -> Decoder:
        return Decoder(self.embedding_dim + len(self.classes), self.decoder_dim, count_outputs(self.layout))

    @torch.no_grad()
    def sample(self, rows: int, stratum: str) -> Any:
        """Return a frame of `rows` rows of the class `stratum`.

        Categories are drawn from the decoder's distribution (ctgan takes the most likely one, which loses the rare ones
        and most nulls). The noise is drawn on the CPU.
        """
        condition = torch.zeros(rows, len(self.classes))
        condition[:, self.classes.index(stratum)] = 1
        noise = torch.cat([torch.randn(rows, self.embedding_dim), condition], dim=1)
        logits, sigmas = self.decoder(noise.to(self.device))
        return to_frame(self.layout, self._draw(logits.cpu()).numpy(), sigmas.cpu().numpy())

    def _draw(self, logits: torch.Tensor) -> torch.Tensor:
        """Return tanh of the numbers, and logits with Gumbel noise, whose maximum is a draw from the softmax."""
        noise = -torch.log(torch.empty_like(logits).exponential_())
        is_number = torch.zeros(logits.shape[1], dtype=torch.bool)
        is_number[[start for start, column in _column_starts(self.layout) if isinstance(column, Modes)]] = True
        return torch.where(is_number, torch.tanh(logits), logits + noise)

    def set_device(self, device: str) -> None:
        """Move the decoder to `cpu` or `cuda`."""
        self.device = device
        self.decoder.to(device)

    def save(self, path: Path) -> None:
        """Write layout.json and network.safetensors into the folder."""
        (path / "layout.json").write_text(json.dumps({"classes": self.classes, "columns": layout_to_json(self.layout)}))
        save_file(self.decoder.state_dict(), path / "network.safetensors")

    def load(self, path: Path) -> None:
        """Read what `save` wrote; the encoder is no longer needed."""
        description = json.loads((path / "layout.json").read_text())
        self.classes, self.layout = description["classes"], layout_from_json(description["columns"])
        self.decoder = self._new_decoder()
        self.decoder.load_state_dict(load_file(path / "network.safetensors"))
        self.set_device("cpu")


def _column_starts(layout: Layout) -> list[tuple[int, Categories | Modes]]:
    """Return each column with the index of its first number in a row."""
    ends = accumulate((sum(column.sizes) for column in layout), initial=0)
    return list(zip(ends, layout, strict=False))
