"""Batches of images to learn from, and the loss on those that are held out. Knows no generator and no loop.

What is learnt of a batch is the `Task`'s affair. Randomness is torch's global state.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from generators import training as loop
from generators.base import Training
from generators.image.augmentation import Jitter, jitter

Batch = tuple[Tensor, Tensor]
"""Images, float32 of -1 to 1 and shape (rows, channels, height, width), and the number of each one's class."""


@dataclass(frozen=True)
class Rows:
    """Images (uint8, channels first), the number of each one's class, and how often each is drawn."""

    images: Tensor
    classes: Tensor
    weights: Tensor

    def take(self, places: Tensor) -> "Rows":
        """Return some of the rows."""
        return Rows(self.images[places], self.classes[places], self.weights[places])


@dataclass(frozen=True)
class Source:
    """The images that are learnt and those that are held out, the size of a batch, and how its images are moved."""

    rows: Rows
    held: Rows
    batch_rows: int
    jitter: Jitter
    device: str

    def draw(self) -> Batch:
        """Return a batch drawn by weight, each image a little moved."""
        rows = self.rows
        places = torch.multinomial(rows.weights, self.batch_rows, replacement=True)
        images = jitter(scaled(rows.images[places], self.device), self.jitter)
        return images, rows.classes[places].to(self.device)


class Task(loop.Learner, Protocol):
    """What is learnt of images, and how; the running mean of `result` is the fitted model."""

    def learn(self, draw: Callable[[], Batch]) -> Tensor:
        """Do one step on as many batches as it takes; return the loss, without its graph."""

    def judge(self, model: nn.Module, held: Batch) -> Tensor | None:
        """Return the loss of `model` on rows that are not learnt, the same at every call; nothing if it says little."""


class _OnImages:
    """A task with the images that it learns from, for the training loop."""

    order = None

    def __init__(self, task: Task, source: Source) -> None:
        self.network, self.result, self.optimizers = task.network.to(source.device), task.result, task.optimizers
        self._task, self._source = task, source

    def learn(self) -> Tensor:
        """Do one step."""
        return self._task.learn(self._source.draw)

    def judge(self, model: nn.Module) -> float | None:
        """Return the loss on held-out images, if there is one."""
        return held_out_loss(self._task, model, self._source)


def train(task: Task, source: Source, settings: loop.Settings, training: Training) -> nn.Module:
    """Train, and return the running mean of `task.result` (see `generators.training.train`)."""
    return loop.train(_OnImages(task, source), settings, training)


def scaled(images: Tensor, device: str) -> Tensor:
    """Return uint8 images as float32 of -1 to 1, on the device."""
    return images.to(device).float() / 127.5 - 1


@torch.no_grad()
def held_out_loss(task: Task, model: nn.Module, source: Source) -> float | None:
    """Return the mean over classes of the mean loss of their held-out rows, or nothing where there is none."""
    held, size, device, means = source.held, source.batch_rows, source.device, []
    for number in sorted(set(held.classes.tolist())):
        places = (held.classes == number).nonzero()[:, 0]
        total = 0.0
        for some in places.tensor_split(tuple(range(size, len(places), size))):
            loss = task.judge(model, (scaled(held.images[some], device), held.classes[some].to(device)))
            if loss is None:
                return None
            total += float(loss) * len(some)
        means.append(total / len(places))
    return sum(means) / len(means) if means else None


def adam(parameters: Any, rate: float, betas: tuple[float, float], decay: float = 0.0) -> torch.optim.Optimizer:
    """Return AdamW, in one pass over all weights."""
    return torch.optim.AdamW(parameters, rate, betas, weight_decay=decay, fused=True)
