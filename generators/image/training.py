"""Batches of images to learn from, and the loss on held-out images. Knows no generator and no loop.

A `Task` says what is learnt of a batch. Randomness is torch's global state.
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
"""Images (float32 of -1 to 1, shape (rows, channels, height, width)), and the number of each image's class."""


@dataclass(frozen=True)
class Rows:
    """Images (uint8, channels first), the number of each image's class, and the weight by which it is drawn."""

    images: Tensor
    classes: Tensor
    weights: Tensor

    def take(self, rows: Tensor) -> "Rows":
        """Return the rows that `rows` selects."""
        return Rows(self.images[rows], self.classes[rows], self.weights[rows])


@dataclass(frozen=True)
class Source:
    """The images to learn from and the held-out ones, the size of a batch, and how its images are moved."""

    rows: Rows
    held_out: Rows
    batch_rows: int
    jitter: Jitter
    device: str

    def draw(self) -> Batch:
        """Return a batch drawn by weight, each image randomly moved."""
        rows = self.rows
        chosen = torch.multinomial(rows.weights, self.batch_rows, replacement=True)
        images = jitter(scale_images(rows.images[chosen], self.device), self.jitter)
        return images, rows.classes[chosen].to(self.device)


class Task(loop.Learner, Protocol):
    """What is learnt of images; the running mean of `result` is the fitted model."""

    def learn(self, draw: Callable[[], Batch]) -> Tensor:
        """Do one step on as many batches as it needs; return the loss, detached from its graph."""

    def judge(self, model: nn.Module, held_out: Batch) -> Tensor | None:
        """Return the loss of `model` on held-out rows, the same at every call; None if no loss says how good it is."""


class _ImagesTask:
    """Joins a task with its images, for the training loop."""

    order = None

    def __init__(self, task: Task, source: Source) -> None:
        self.network, self.result, self.optimizers = task.network.to(source.device), task.result, task.optimizers
        self._task, self._source = task, source

    def learn(self) -> Tensor:
        """Do one step."""
        return self._task.learn(self._source.draw)

    def judge(self, model: nn.Module) -> float | None:
        """Return the loss on held-out images, or None if there is none."""
        return held_out_loss(self._task, model, self._source)


def train(task: Task, source: Source, settings: loop.Settings, training: Training) -> nn.Module:
    """Train, and return the running mean of `task.result` (see `generators.training.train`)."""
    return loop.train(_ImagesTask(task, source), settings, training)


def scale_images(images: Tensor, device: str) -> Tensor:
    """Return uint8 images as float32 of -1 to 1, on the device."""
    return images.to(device).float() / 127.5 - 1


@torch.no_grad()
def held_out_loss(task: Task, model: nn.Module, source: Source) -> float | None:
    """Return the mean over classes of the mean loss of their held-out rows, or None where there is none."""
    held_out, size, device, means = source.held_out, source.batch_rows, source.device, []
    for number in sorted(set(held_out.classes.tolist())):
        members = (held_out.classes == number).nonzero()[:, 0]
        total = 0.0
        for part in members.tensor_split(tuple(range(size, len(members), size))):
            loss = task.judge(model, (scale_images(held_out.images[part], device), held_out.classes[part].to(device)))
            if loss is None:
                return None
            total += float(loss) * len(part)
        means.append(total / len(members))
    return sum(means) / len(means) if means else None


def adam(parameters: Any, rate: float, betas: tuple[float, float], decay: float = 0.0) -> torch.optim.Optimizer:
    """Return AdamW, fused over all weights."""
    return torch.optim.AdamW(parameters, rate, betas, weight_decay=decay, fused=True)
