"""The training loop: rates, early stop, progress, and a state to go on from after a kill. Knows no batch and no loss.

What is learnt of which batch is a `Task`'s affair; `generators` has one for tables, one for images, one for texts.
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
"""From one look at the held-out rows to the next."""
KEEP_EVERY = 500
"""Steps from one kept state to the next, where the next look is further away."""


@dataclass(frozen=True)
class Schedule:
    """The share of the highest rate at each step: it rises for `warm_up` steps, then falls along a cosine or stays."""

    steps: int
    warm_up: int
    falls: bool = True

    def __call__(self, step: int) -> float:
        """Return the share at a step, the first of which is 0."""
        if step < self.warm_up:
            return (step + 1) / self.warm_up
        if not self.falls:
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (step - self.warm_up) / max(1, self.steps - self.warm_up)))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How long to learn, and how often to look at what was learnt.

    `schedule` gives the share of each optimizer's rate at a step. A look comes every `look_every` steps, a report every
    `report_every` and a kept state every `keep_every`, and all three at a look. Training ends after `patience` looks
    without a better one, or after `seconds`, which depends on the machine. `ema` is the share that the running mean of
    the weights keeps at a step; without it there is no mean.
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
    """What learns, whatever it learns of."""

    @property
    def network(self) -> nn.Module:
        """All that learns."""

    @property
    def result(self) -> nn.Module:
        """The part of it that is the fitted model, or whose running mean is."""

    @property
    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """Those of the network."""


class Task(Learner, Protocol):
    """What is learnt of which batches. It is on its device; its randomness is the libraries' global state."""

    @property
    def order(self) -> Stateful | None:
        """What draws the batches, where it depends on more than the global random state."""

    def learn(self) -> Tensor:
        """Do one step on as many batches as it takes; return the loss, without its graph."""

    def judge(self, model: nn.Module) -> float | None:
        """Return the loss of `model`, in evaluation mode, on held-out rows; nothing where there is none.

        It is the same at every call.
        """


def train(task: Task, settings: Settings, training: Training) -> nn.Module:
    """Train, and return `task.result` or its running mean, on the CPU and in evaluation mode.

    At every look the held-out loss is taken and the state is kept. The weights of the look with the least loss are the
    result; without a held-out loss the last ones are, and no training ends early. A training that goes on from a kept
    state ends with the same weights (on a GPU as nearly as its kernels are deterministic).
    """
    task.network.train()
    mean = None if settings.ema is None else copy.deepcopy(task.result).requires_grad_(False).eval()
    result: Stateful = Learnt(task.result) if mean is None else mean
    parts = _parts(task, mean)
    at = restore(training.restore(), parts)
    began = time.monotonic() - at.seconds
    losses: list[Tensor] = []
    while _goes_on(at, settings):
        _set_rates(task.optimizers, settings.schedule(at.step))
        losses.append(task.learn())
        if mean is not None and settings.ema is not None:
            _follow(mean, task.result, settings.ema, at.step)
        at.step, at.seconds = at.step + 1, time.monotonic() - began
        look = at.step % settings.look_every == 0 or at.step == settings.steps or at.seconds >= settings.seconds
        keep = look or at.step % settings.keep_every == 0
        held_out = _look(task, mean, result, at) if look else None
        if keep or at.step % settings.report_every == 0:
            training.report(_progress(at, settings, losses, held_out))
            losses = []
        if keep:
            training.keep(pack(at, parts))
    if at.best_weights is not None:
        result.load_state_dict(at.best_weights)
    return (task.result if mean is None else mean).to("cpu").eval()


def _goes_on(at: Position, settings: Settings) -> bool:
    return at.step < settings.steps and at.worse < settings.patience and at.seconds < settings.seconds


def _parts(task: Task, mean: nn.Module | None) -> dict[str, Stateful]:
    """Return all that changes while it is trained."""
    parts: dict[str, Stateful] = {"network": Learnt(task.network)}
    parts |= {f"optimizer {number}": one for number, one in enumerate(task.optimizers)}
    return parts | ({"mean": mean} if mean is not None else {}) | ({"order": task.order} if task.order else {})


def _set_rates(optimizers: Sequence[torch.optim.Optimizer], share: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * share


@torch.no_grad()
def _follow(mean: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Move the running mean of the weights a little towards the model; early on it follows faster."""
    share = 1 - min(decay, (1 + step) / (10 + step))
    torch._foreach_lerp_(list(mean.parameters()), [weight.detach() for weight in model.parameters()], share)
    for kept, new in zip(mean.buffers(), model.buffers(), strict=True):
        kept.copy_(new)


@torch.no_grad()
def _look(task: Task, mean: nn.Module | None, result: Stateful, at: Position) -> float | None:
    """Return the held-out loss, if there is one, and note in `at` whether it is the least."""
    loss = task.judge((task.result if mean is None else mean).eval())
    task.network.train()
    if loss is not None:
        at.note(loss, result)
    return loss


def _progress(at: Position, settings: Settings, losses: list[Tensor], held_out: float | None) -> TrainingProgress:
    loss = float(torch.stack(losses).mean())
    if held_out is not None:
        log.info("step %d of %d: loss %.4f, held out %.4f", at.step, settings.steps, loss, held_out)
    return TrainingProgress(at.step, settings.steps, loss, held_out)


def descend(
    optimizer: torch.optim.Optimizer, loss: Tensor, clip: float = 0.0, weights: Iterable[Tensor] | None = None
) -> None:
    """Do one step of the optimizer; gradients of `weights` longer than `clip` are cut to it (0: none is).

    They are all that the optimizer changes, in its order, if none are named; another order rounds another way.
    """
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if clip:
        own = [weight for group in optimizer.param_groups for weight in group["params"]]
        torch.nn.utils.clip_grad_norm_(own if weights is None else weights, clip)
    optimizer.step()
