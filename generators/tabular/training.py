"""Trains the autoregressive network on codes: batches, schedule and early stop.

Knows no column and no value. Randomness is torch's global state.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from generators.base import Training, TrainingProgress
from generators.checkpoint import Position, Stateful, pack, restore
from generators.tabular.network import Network

log = logging.getLogger(__name__)

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

    AdamW, whose rate rises for a tenth of the steps and falls along a cosine. Of the states at each look the one with
    the least loss on `held` is kept, without held-out rows the last one; training ends after six looks without a better
    one. A training that goes on from a kept state ends with the same weights.
    """
    network.to(device).train()
    optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    parts: dict[str, Stateful] = {"network": network, "optimizer": optimizer}
    at = restore(training.restore(), parts, device)
    codes, weights, held = codes.to(device), weights.to(device), held.to(device)
    losses: list[Tensor] = []
    while at.step < settings.steps and at.worse < _PATIENCE:
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * share_of_rate(at.step, settings.steps)
        losses.append(_step(network, optimizer, codes[_draw(weights, settings.batch_rows)]))
        at.step += 1
        if at.step % settings.look_every == 0 or at.step == settings.steps:
            loss = _look(network, held, at)
            training.report(TrainingProgress(at.step, settings.steps, float(torch.stack(losses).mean()), loss))
            training.keep(pack(at, parts))
            losses = []
    if at.best_weights is not None:
        network.load_state_dict(at.best_weights)
    network.to("cpu").eval()


def _draw(weights: Tensor, rows: int) -> Tensor:
    """Return places drawn by weight, whose running sums are given; `torch.multinomial` takes no more than 2**24."""
    return torch.searchsorted(weights, torch.rand(rows, dtype=weights.dtype, device=weights.device) * weights[-1])


def share_of_rate(step: int, steps: int) -> float:
    """Return the share of the highest rate: it rises for a tenth of the steps, and falls along a cosine."""
    warm = max(1, int(steps * _WARM_UP))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _step(network: Network, optimizer: torch.optim.Optimizer, batch: Tensor) -> Tensor:
    loss: Tensor = network(batch).mean()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.detach()


def _look(network: Network, held: Tensor, at: Position) -> float | None:
    """Return the loss on held-out rows, if there are any, and note in `at` whether it is the least."""
    if not len(held):
        return None
    loss = held_out_loss(network, held)
    log.info("step %d: held out %.4f", at.step, loss)
    at.note(loss, network)
    return loss


@torch.no_grad()
def held_out_loss(network: Network, held: Tensor) -> float:
    """Return the mean negative log likelihood of rows, in nats; the network is left in training mode."""
    network.eval()
    parts: Sequence[Tensor] = torch.split(held, _HELD_AT_ONCE)
    total = torch.stack([network(some).sum() for some in parts]).sum()
    network.train()
    return float(total) / len(held)
