"""Trains a network on images: batches, schedule, running mean and early stop.

Knows no generator: what is learnt of a batch is the `Task`'s affair. Randomness is torch's global state.
"""

import copy
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from generators.base import Training, TrainingProgress
from generators.checkpoint import Position, Stateful, pack, restore
from generators.image.augmentation import Jitter, jitter

log = logging.getLogger(__name__)

_REPORTS = 10  # from one look at the held-out rows to the next

Batch = tuple[Tensor, Tensor]
"""Images, float32 of -1 to 1 and shape (rows, channels, height, width), and the number of each one's class."""


@dataclass(frozen=True)
class Settings:
    """How long and how fast to learn; `look_every` is the steps from one look, and one kept state, to the next."""

    steps: int
    batch_rows: int
    warm_up: int
    schedule: Literal["cosine", "constant"]
    ema: float
    look_every: int
    patience: int
    jitter: Jitter


@dataclass(frozen=True)
class Rows:
    """Images (uint8, channels first), the number of each one's class, and how often each is drawn."""

    images: Tensor
    classes: Tensor
    weights: Tensor

    def take(self, places: Tensor) -> "Rows":
        """Return some of the rows."""
        return Rows(self.images[places], self.classes[places], self.weights[places])


class Task(Protocol):
    """What is learnt, and how."""

    @property
    def network(self) -> nn.Module:
        """All that learns."""

    @property
    def result(self) -> nn.Module:
        """The part of it whose running mean is the fitted model."""

    @property
    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """Those of the network, as `adam` makes them."""

    def learn(self, draw: Callable[[], Batch]) -> Tensor:
        """Do one step on as many batches as it takes; return the loss, without its graph."""

    def judge(self, model: nn.Module, held: Batch) -> Tensor | None:
        """Return the loss of `model` on rows that are not learnt, the same at every call; nothing if it says little."""


def train(task: Task, rows: Rows, held: Rows, settings: Settings, device: str, training: Training) -> nn.Module:
    """Train, and return the running mean of `task.result`, on the CPU and in evaluation mode.

    Adam's rate rises for `warm_up` steps, then stays or falls along a cosine. At every look the held-out loss of the
    mean is taken (each class counts alike) and the state is kept; the mean with the least loss is the result, and
    training ends after `patience` looks without a better one. Without held-out rows, or a loss on them, the last mean
    is the result. A training that goes on from a kept state ends with the same weights (on a GPU as nearly as its
    kernels are deterministic).
    """
    task.network.to(device).train()
    mean = copy.deepcopy(task.result).requires_grad_(False).eval()
    parts = _parts(task, mean)
    at = restore(training.restore(), parts, device)
    losses: list[Tensor] = []
    while at.step < settings.steps and at.worse < settings.patience:
        _set_rates(task.optimizers, _share_of_rate(at.step, settings))
        losses.append(task.learn(lambda: _draw(rows, settings, device)))
        _follow(mean, task.result, settings.ema, at.step)
        at.step += 1
        look = at.step % settings.look_every == 0 or at.step == settings.steps
        if look or at.step % max(1, settings.look_every // _REPORTS) == 0:
            loss = _look(task, mean, held, settings, device, at) if look else None
            training.report(TrainingProgress(at.step, settings.steps, float(torch.stack(losses).mean()), loss))
            losses = []
        if look:
            training.keep(pack(at, parts))
    if at.best_weights is not None:
        mean.load_state_dict(at.best_weights)
    return mean.to("cpu").eval()


def _draw(rows: Rows, settings: Settings, device: str) -> Batch:
    """Return a batch drawn by weight, each image a little moved."""
    places = torch.multinomial(rows.weights, settings.batch_rows, replacement=True)
    return jitter(scaled(rows.images[places], device), settings.jitter), rows.classes[places].to(device)


def scaled(images: Tensor, device: str) -> Tensor:
    """Return uint8 images as float32 of -1 to 1, on the device."""
    return images.to(device).float() / 127.5 - 1


def _share_of_rate(step: int, settings: Settings) -> float:
    if step < settings.warm_up:
        return (step + 1) / settings.warm_up
    if settings.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - settings.warm_up) / max(1, settings.steps - settings.warm_up)))


def _set_rates(optimizers: Sequence[torch.optim.Optimizer], share: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * share


@torch.no_grad()
def _follow(mean: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Move the running mean of the weights a little towards the model; early on it follows faster."""
    share = 1 - min(decay, (1 + step) / (10 + step))
    torch._foreach_lerp_(list(mean.parameters()), [weight.detach() for weight in model.parameters()], share)
    for kept, new in zip(mean.buffers(), model.buffers(), strict=True):
        kept.copy_(new)


def _look(task: Task, mean: nn.Module, held: Rows, settings: Settings, device: str, at: Position) -> float | None:
    """Return the held-out loss, if there is one, and note in `at` whether it is the best."""
    loss = held_out_loss(task, mean, held, settings.batch_rows, device)
    if loss is None:
        return None
    at.note(loss, mean)
    log.info("step %d of %d: held out %.4f", at.step, settings.steps, loss)
    return loss


@torch.no_grad()
def held_out_loss(task: Task, model: nn.Module, held: Rows, batch_rows: int, device: str) -> float | None:
    """Return the mean over classes of the mean loss of their rows, or nothing where there is none."""
    means = []
    for number in sorted(set(held.classes.tolist())):
        places = (held.classes == number).nonzero()[:, 0]
        total = 0.0
        for some in places.tensor_split(tuple(range(batch_rows, len(places), batch_rows))):
            loss = task.judge(model, (scaled(held.images[some], device), held.classes[some].to(device)))
            if loss is None:
                return None
            total += float(loss) * len(some)
        means.append(total / len(places))
    return sum(means) / len(means) if means else None


def _parts(task: Task, mean: nn.Module) -> dict[str, Stateful]:
    """Return all that changes while it is trained."""
    optimizers = {f"optimizer {number}": one for number, one in enumerate(task.optimizers)}
    return {"network": task.network, "mean": mean, **optimizers}


def adam(parameters: Any, rate: float, betas: tuple[float, float], decay: float = 0.0) -> torch.optim.Optimizer:
    """Return AdamW whose first rate the schedule knows."""
    optimizer = torch.optim.AdamW(parameters, rate, betas, weight_decay=decay, fused=True)
    for group in optimizer.param_groups:
        group["initial_lr"] = rate
    return optimizer


def descend(optimizer: torch.optim.Optimizer, loss: Tensor, clip: float) -> None:
    """Do one step of the optimizer; gradients longer than `clip` are cut to it (0: none is)."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if clip:
        torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], clip)
    optimizer.step()
