"""Trains the autoregressive network on codes: batches, schedule, early stop, and the state that outlives a kill.

Knows no column and no value. Randomness is torch's global state.
"""

import copy
import io
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from generators.base import Training, TrainingProgress
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


@dataclass
class _State:
    """Where a training is, beside its weights."""

    step: int = 0
    best: float = math.inf
    worse: int = 0
    best_weights: dict[str, Tensor] | None = None


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
    state = _restore(training.restore(), network, optimizer, device)
    codes, weights, held = codes.to(device), weights.to(device), held.to(device)
    losses: list[Tensor] = []
    while state.step < settings.steps and state.worse < _PATIENCE:
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * share_of_rate(state.step, settings.steps)
        losses.append(_step(network, optimizer, codes[_draw(weights, settings.batch_rows)]))
        state.step += 1
        if state.step % settings.look_every == 0 or state.step == settings.steps:
            loss = _look(network, held, state)
            training.report(TrainingProgress(state.step, settings.steps, float(torch.stack(losses).mean()), loss))
            training.keep(_pack(network, optimizer, state))
            losses = []
    if state.best_weights is not None:
        network.load_state_dict(state.best_weights)
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


def _look(network: Network, held: Tensor, state: _State) -> float | None:
    """Return the loss on held-out rows, if there are any, and note in `state` whether it is the least."""
    if not len(held):
        return None
    loss = held_out_loss(network, held)
    log.info("step %d: held out %.4f", state.step, loss)
    state.worse += 1
    if loss < state.best:
        state.best, state.worse, state.best_weights = loss, 0, copy.deepcopy(network.state_dict())
    return loss


@torch.no_grad()
def held_out_loss(network: Network, held: Tensor) -> float:
    """Return the mean negative log likelihood of rows, in nats; the network is left in training mode."""
    network.eval()
    parts: Sequence[Tensor] = torch.split(held, _HELD_AT_ONCE)
    total = torch.stack([network(some).sum() for some in parts]).sum()
    network.train()
    return float(total) / len(held)


def _pack(network: Network, optimizer: torch.optim.Optimizer, state: _State) -> bytes:
    """Return all that the rest of the training depends on."""
    content = {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "state": vars(state),
        "random": torch.get_rng_state(),
        "random_gpu": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],  # type: ignore[no-untyped-call]
    }
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def _restore(kept: bytes | None, network: Network, optimizer: Any, device: str) -> _State:
    """Set everything as it was kept, or for a start, and return where the training is."""
    if kept is None:
        return _State()
    content = torch.load(io.BytesIO(kept), map_location=device, weights_only=True)
    network.load_state_dict(content["network"])
    optimizer.load_state_dict(content["optimizer"])
    torch.set_rng_state(content["random"].cpu())
    if content["random_gpu"]:
        torch.cuda.set_rng_state_all([state.cpu() for state in content["random_gpu"]])
    return _State(**content["state"])
