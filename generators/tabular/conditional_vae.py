"""A TVAE that is told the class. Imports torch: import it inside the methods that use it."""

import json
import logging
from itertools import accumulate
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import torch
from ctgan.data_transformer import DataTransformer
from ctgan.synthesizers.tvae import Decoder, Encoder, _loss_function
from safetensors.torch import load_file, save_file
from torch.nn.functional import one_hot
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

from generators.tabular.modes import Categories, Layout, Modes, frame_of, heard, layout_of, told, width

log = logging.getLogger(__name__)


class ConditionalTVAE:
    """ctgan's TVAE (encoder, decoder, loss, transformer) with the class beside the input of encoder and decoder.

    Xu et al. 2019 (arXiv:1907.00503) for the TVAE, Sohn et al. 2015 ("Learning structured output representation using
    deep conditional generative models") for the condition. All randomness is torch's and numpy's global state.
    """

    def __init__(self, *, embedding_dim: int, encoder_dim: tuple[int, ...], decoder_dim: tuple[int, ...]) -> None:
        self.embedding_dim = embedding_dim
        self.encoder_dim = encoder_dim
        self.decoder_dim = decoder_dim

    def fit(self, frame: Any, texts: list[str], classes: np.ndarray, settings: Any, device: str) -> None:
        """Learn from a frame without its label; `texts` are its columns of categories, `classes` the label.

        `settings` holds `epochs`, `batch_size`, `weight_decay` and `reconstruction_weight`. Classes are drawn by the
        logarithm of their frequency, as in CTGAN, so that a rare one is learned too.
        """
        names, codes, counts = np.unique(classes, return_inverse=True, return_counts=True)
        self.classes = [str(name) for name in names]
        transformer = DataTransformer()
        with joblib.parallel_config(backend="sequential"):  # joblib's workers would draw from unseeded states
            transformer.fit(frame, texts)
            rows = torch.from_numpy(transformer.transform(frame).astype(np.float32))
        self.layout = layout_of(transformer)
        conditions = one_hot(torch.from_numpy(codes), len(self.classes)).float()
        weights = torch.from_numpy((np.log(counts + 1) / counts)[codes])
        sampler = WeightedRandomSampler(weights.tolist(), len(rows))
        loader = DataLoader(TensorDataset(rows, conditions), batch_size=settings.batch_size, sampler=sampler)
        encoder = Encoder(rows.shape[1] + len(self.classes), self.encoder_dim, self.embedding_dim).to(device)
        self.decoder = self._new_decoder().to(device)
        self._train(encoder, loader, transformer.output_info_list, settings, device)
        self.set_device("cpu")

    def _new_decoder(self) -> Decoder:
        return Decoder(self.embedding_dim + len(self.classes), self.decoder_dim, width(self.layout))

    def _train(self, encoder: Encoder, loader: Any, spans: Any, settings: Any, device: str) -> None:
        parameters = [*encoder.parameters(), *self.decoder.parameters()]
        optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
        for epoch in range(settings.epochs):
            for batch, condition in loader:
                given = batch.to(device), condition.to(device)
                loss = self._loss(encoder, *given, spans, settings.reconstruction_weight)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                self.decoder.sigma.data.clamp_(0.01, 1.0)  # as TVAE does
            log.info("tvae: epoch %d of %d, loss %.3f", epoch + 1, settings.epochs, loss.item())

    def _loss(self, encoder: Encoder, batch: Any, condition: Any, spans: Any, weight: float) -> torch.Tensor:
        mean, deviation, log_variance = encoder(torch.cat([batch, condition], dim=1))
        latent = mean + deviation * torch.randn_like(deviation)
        rebuilt, sigmas = self.decoder(torch.cat([latent, condition], dim=1))
        rebuilding, divergence = _loss_function(rebuilt, batch, sigmas, mean, log_variance, spans, weight)
        return rebuilding + divergence  # type: ignore[no-any-return]

    @torch.no_grad()
    def sample(self, rows: int, stratum: str) -> Any:
        """Return a frame of `rows` rows of the class `stratum`.

        Categories are drawn from the decoder's distribution (ctgan takes the likeliest one, which loses the rare ones
        and most nulls); the noise is drawn on the CPU.
        """
        condition = torch.zeros(rows, len(self.classes))
        condition[:, self.classes.index(stratum)] = 1
        noise = torch.cat([torch.randn(rows, self.embedding_dim), condition], dim=1)
        logits, sigmas = self.decoder(noise.to(self.device))
        return frame_of(self.layout, self._draw(logits.cpu()).numpy(), sigmas.cpu().numpy())

    def _draw(self, logits: torch.Tensor) -> torch.Tensor:
        """Return tanh of the numbers, and logits with Gumbel noise, whose maximum is a draw from the softmax."""
        noise = -torch.log(torch.empty_like(logits).exponential_())
        is_number = torch.zeros(logits.shape[1], dtype=torch.bool)
        is_number[[start for start, column in _starts(self.layout) if isinstance(column, Modes)]] = True
        return torch.where(is_number, torch.tanh(logits), logits + noise)

    def set_device(self, device: str) -> None:
        """Move the decoder to `cpu` or `cuda`."""
        self.device = device
        self.decoder.to(device)

    def save(self, path: Path) -> None:
        """Write layout.json and network.safetensors into the folder."""
        (path / "layout.json").write_text(json.dumps({"classes": self.classes, "columns": told(self.layout)}))
        save_file(self.decoder.state_dict(), path / "network.safetensors")

    def load(self, path: Path) -> None:
        """Read what `save` wrote; the encoder is not needed any more."""
        kept = json.loads((path / "layout.json").read_text())
        self.classes, self.layout = kept["classes"], heard(kept["columns"])
        self.decoder = self._new_decoder()
        self.decoder.load_state_dict(load_file(path / "network.safetensors"))
        self.set_device("cpu")


def _starts(layout: Layout) -> list[tuple[int, Categories | Modes]]:
    """Return each column with its first place in a row."""
    ends = accumulate((sum(column.sizes) for column in layout), initial=0)
    return list(zip(ends, layout, strict=False))
