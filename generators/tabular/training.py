"""What the autoregressive network learns of codes, batch by batch. Knows no column, no value and no loop.

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
_HELD_AT_ONCE = 4096


@dataclass(frozen=True)
class Settings:
    """How long and how fast to learn; `look_every` is the steps from one look, and one kept state, to the next."""

    steps: int
    batch_rows: int
    learning_rate: float
    weight_decay: float
    look_every: int


def train(
    network: Network, codes: Tensor, weights: Tensor, held: Tensor, settings: Settings, device: str, training: Training
) -> None:
    """Train `network` in place on codes, int64 (rows, columns), each row drawn by its weight; it ends on the CPU.

    `weights` are running sums. AdamW, whose rate rises for a tenth of the steps and falls along a cosine; training ends
    after six looks without a lower loss on `held` (see `generators.training.train`).
    """
    task = _CodesTask(network.to(device), codes.to(device), weights.to(device), held.to(device), settings)
    every = settings.look_every
    course = loop.Settings(
        steps=settings.steps,
        schedule=rise_and_fall(settings.steps),
        look_every=every,
        report_every=every,
        keep_every=every,
        patience=_PATIENCE,
    )
    loop.train(task, course, training)


def rise_and_fall(steps: int) -> loop.Schedule:
    """Return the schedule of rates of so many steps."""
    return loop.Schedule(steps, max(1, int(steps * _WARM_UP)))


class _CodesTask:
    """Learns the likelihood of rows of codes."""

    order = None

    def __init__(self, network: Network, codes: Tensor, weights: Tensor, held: Tensor, settings: Settings) -> None:
        self.network: nn.Module = network
        self.result: nn.Module = network
        self._optimizer = torch.optim.AdamW(
            network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.optimizers = [self._optimizer]
        self._codes, self._weights, self._held, self._rows = codes, weights, held, settings.batch_rows

    def learn(self) -> Tensor:
        """Do one step on one batch."""
        loss: Tensor = self.network(self._codes[_draw(self._weights, self._rows)]).mean()
        loop.descend(self._optimizer, loss)
        return loss.detach()

    def judge(self, model: nn.Module) -> float | None:
        """Return the loss on held-out rows, if there are any."""
        return held_out_loss(model, self._held) if len(self._held) else None


def _draw(weights: Tensor, rows: int) -> Tensor:
    """Return places drawn by weight, whose running sums are given; `torch.multinomial` takes no more than 2**24."""
    return torch.searchsorted(weights, torch.rand(rows, dtype=weights.dtype, device=weights.device) * weights[-1])


def held_out_loss(network: nn.Module, held: Tensor) -> float:
    """Return the mean negative log likelihood of rows, in nats."""
    parts: Sequence[Tensor] = torch.split(held, _HELD_AT_ONCE)
    return float(torch.stack([network(some).sum() for some in parts]).sum()) / len(held)
