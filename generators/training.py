"""The training loop: rates, early stop, progress, a state to continue from after a kill. Knows no batch, no loss.

A `Task` says what is learnt of which batch; `generators` has one for tables, one for images, one for texts.
"""

import copy
import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from generators.base import Training, TrainingProgress
from generators.checkpoint import Learnt, Position, Stateful, pack, restore

log = logging.getLogger(__name__)

REPORTS = 10
"""Reports of the progress between two looks at the held-out rows."""
KEEP_EVERY = 500
"""Steps between two kept states, where looks are further apart."""


@dataclass(frozen=True)
class Schedule:
    """The learning rate of each step, as a share of the highest one.

    It rises for `warm_up` steps, then falls along a cosine, or stays if `falls` is False.

    >>> schedule = Schedule(steps=10, warm_up=2)
    >>> schedule(0), schedule(1), round(schedule(9), 3)
    (0.5, 1.0, 0.038)
    """

    steps: int
    warm_up: int
    falls: bool = True

    def __call__(self, step: int) -> float:
        """Return the share at a step; the first step is 0."""
        if step < self.warm_up:
            return (step + 1) / self.warm_up
        if not self.falls:
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (step - self.warm_up) / max(1, self.steps - self.warm_up)))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How long to train, and how often to look at the held-out rows.

    `schedule` gives the share of each optimizer's rate at a step. A look comes every `look_every` steps, a report every
    `report_every` and a kept state every `keep_every`; a look brings a report and a kept state, too. Training ends
    after `patience` looks without a lower loss, or after `seconds`, which depends on the machine. `ema` is the share
    that the running mean of the weights keeps at a step; None means no running mean.
    """

    steps: int
    schedule: Callable[[int], float]
    look_every: int
    report_every: int
    keep_every: int
    patience: int
    seconds: float = math.inf
    ema: float | None = None


class Learner(Protocol):
    """The networks and optimizers of a training."""

    @property
    def network(self) -> nn.Module:
        """All that learns."""

    @property
    def result(self) -> nn.Module:
        """The part of the network that becomes the fitted model, itself or as a running mean."""

    @property
    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """The optimizers of the network."""


class Task(Learner, Protocol):
    """A training task: the learner, its batches and its loss.

    It is on its device. Its randomness is the global state of the libraries.
    """

    @property
    def order(self) -> Stateful | None:
        """The order of batches, where it depends on more than the global random state; else None."""

    def learn(self) -> Tensor:
        """Do one step on as many batches as it needs; return the loss, detached from its graph."""

    def judge(self, model: nn.Module) -> float | None:
        """Return the loss of `model`, in evaluation mode, on held-out rows; None where there are none.

        Every call judges the same rows.
        """


def train(task: Task, settings: Settings, training: Training) -> nn.Module:
    """Train, and return `task.result` or its running mean, on the CPU and in evaluation mode.

    At every look the held-out loss is computed and the state is kept. The weights with the least held-out loss are the
    result; without held-out rows the last weights are, and no training ends early. A training that continues from a
    kept state ends with the same weights (on a GPU as nearly as its kernels are deterministic).
    """
    task.network.train()
    mean = None if settings.ema is None else copy.deepcopy(task.result).requires_grad_(False).eval()
    result: Stateful = Learnt(task.result) if mean is None else mean
    parts = _stateful_parts(task, mean)
    position = restore(training.restore(), parts)
    began = time.monotonic() - position.seconds
    losses: list[Tensor] = []
    while _has_more_steps(position, settings):
        _set_rates(task.optimizers, settings.schedule(position.step))
        losses.append(task.learn())
        if mean is not None and settings.ema is not None:
            _update_mean(mean, task.result, settings.ema, position.step)
        position.step, position.seconds = position.step + 1, time.monotonic() - began
        look = (
            position.step % settings.look_every == 0
            or position.step == settings.steps
            or position.seconds >= settings.seconds
        )
        keep = look or position.step % settings.keep_every == 0
        held_out = _judge_held_out(task, mean, result, position) if look else None
        if keep or position.step % settings.report_every == 0:
            training.report(_progress(position, settings, losses, held_out))
            losses = []
        if keep:
            training.keep(pack(position, parts))
    if position.best_weights is not None:
        result.load_state_dict(position.best_weights)
    return (task.result if mean is None else mean).to("cpu").eval()


def _has_more_steps(position: Position, settings: Settings) -> bool:
    return position.step < settings.steps and position.worse < settings.patience and position.seconds < settings.seconds


def _stateful_parts(task: Task, mean: nn.Module | None) -> dict[str, Stateful]:
    """Return all objects whose state changes in training."""
    parts: dict[str, Stateful] = {"network": Learnt(task.network)}
    parts |= {f"optimizer {number}": optimizer for number, optimizer in enumerate(task.optimizers)}
    return parts | ({"mean": mean} if mean is not None else {}) | ({"order": task.order} if task.order else {})


def _set_rates(optimizers: Sequence[torch.optim.Optimizer], share: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * share


@torch.no_grad()
def _update_mean(mean: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Move the running mean of the weights towards the model; it moves faster in early steps."""
    share = 1 - min(decay, (1 + step) / (10 + step))
    torch._foreach_lerp_(list(mean.parameters()), [weight.detach() for weight in model.parameters()], share)
    for old, new in zip(mean.buffers(), model.buffers(), strict=True):
        old.copy_(new)


@torch.no_grad()
def _judge_held_out(task: Task, mean: nn.Module | None, result: Stateful, position: Position) -> float | None:
    """Return the held-out loss, if there is one, and record it in `position`."""
    loss = task.judge((task.result if mean is None else mean).eval())
    task.network.train()
    if loss is not None:
        position.note(loss, result)
    return loss


def _progress(position: Position, settings: Settings, losses: list[Tensor], held_out: float | None) -> TrainingProgress:
    loss = float(torch.stack(losses).mean())
    if held_out is not None:
        log.info("step %d of %d: loss %.4f, held out %.4f", position.step, settings.steps, loss, held_out)
    return TrainingProgress(position.step, settings.steps, loss, held_out)


def descend(
    optimizer: torch.optim.Optimizer, loss: Tensor, clip: float = 0.0, weights: Iterable[Tensor] | None = None
) -> None:
    """Do one step of the optimizer; gradients of `weights` longer than `clip` are cut to that norm (0: no cut).

    `weights` defaults to all that the optimizer changes, in its order. Their order matters: another one rounds
    differently.
    """
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if clip:
        own = [weight for group in optimizer.param_groups for weight in group["params"]]
        torch.nn.utils.clip_grad_norm_(own if weights is None else weights, clip)
    optimizer.step()
