"""Trains the autoregressive network on batches of codes. Knows no column, no value and no loop.

Randomness is torch's global state.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from generators import training as loop
from generators.base import Training
from generators.tabular.network import Network

_WARM_UP = 0.1
_PATIENCE = 6  # looks without a better one; a small table is learnt by heart long before the last step
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Settings:
    """How long and how fast to train; `look_every` is the number of steps between two looks, and two kept states."""

    steps: int
    batch_rows: int
    learning_rate: float
    weight_decay: float
    look_every: int


def train(
    network: Network,
    codes: Tensor,
    weights: Tensor,
    held_out: Tensor,
    settings: Settings,
    device: str,
    training: Training,
) -> None:
    """Train `network` in place on codes, int64 (rows, columns), each row drawn by its weight; it ends on the CPU.

    `weights` are running sums. The optimizer is AdamW; its rate rises for a tenth of the steps and falls along a
    cosine. Training ends after six looks without a lower loss on `held_out` (see `generators.training.train`).
    """
    task = _CodesTask(network.to(device), codes.to(device), weights.to(device), held_out.to(device), settings)
    every = settings.look_every
    loop_settings = loop.Settings(
        steps=settings.steps,
        schedule=rise_and_fall(settings.steps),
        look_every=every,
        report_every=every,
        keep_every=every,
        patience=_PATIENCE,
    )
    loop.train(task, loop_settings, training)


def rise_and_fall(steps: int) -> loop.Schedule:
    """Return a schedule whose rate rises for a tenth of the steps, then falls along a cosine."""
    return loop.Schedule(steps, max(1, int(steps * _WARM_UP)))


class _CodesTask:
    """Maximises the likelihood of rows of codes."""

    order = None

    def __init__(self, network: Network, codes: Tensor, weights: Tensor, held_out: Tensor, settings: Settings) -> None:
        self.network: nn.Module = network
        self.result: nn.Module = network
        self._optimizer = torch.optim.AdamW(
            network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.optimizers = [self._optimizer]
        self._codes, self._weights, self._held_out, self._rows = codes, weights, held_out, settings.batch_rows

    def learn(self) -> Tensor:
        """Do one step on one batch."""
        loss: Tensor = self.network(self._codes[_draw_rows(self._weights, self._rows)]).mean()
        loop.descend(self._optimizer, loss)
        return loss.detach()

    def judge(self, model: nn.Module) -> float | None:
        """Return the loss on held-out rows, or None if there are none."""
        return held_out_loss(model, self._held_out) if len(self._held_out) else None


def _draw_rows(weights: Tensor, rows: int) -> Tensor:
    """Return row numbers drawn by weight, given the running sums; `torch.multinomial` takes no more than 2**24 rows."""
    return torch.searchsorted(weights, torch.rand(rows, dtype=weights.dtype, device=weights.device) * weights[-1])


def held_out_loss(network: nn.Module, held_out: Tensor) -> float:
    """Return the mean negative log likelihood of rows, in nats."""
    parts: Sequence[Tensor] = torch.split(held_out, _ROWS_AT_ONCE)
    return float(torch.stack([network(part).sum() for part in parts]).sum()) / len(held_out)
