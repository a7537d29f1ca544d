"""A small residual network that classifies small images. It knows no table.

It is a measuring instrument: it learns from the given images as they are, without augmentation or balancing of its own.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from generators.random import seeded

if TYPE_CHECKING:
    from torch import Tensor, nn

Stack = NDArray[np.uint8]

_WIDTHS = (16, 32, 64)
_BATCH, _EPOCHS, _FEWEST_STEPS = 64, 30, 60
_RATE, _DECAY = 0.05, 5e-4
_LARGE = 32  # from this side on, the first layer halves it


class ResNet:
    """A fitted residual network."""

    def __init__(self, net: "nn.Module") -> None:
        self._net = net

    def probabilities(self, pixels: Stack) -> NDArray[np.float64]:
        """Return each class's probability, shape (images, classes)."""
        import torch

        with torch.inference_mode():
            parts = [torch.softmax(self._net(_normalise(torch.from_numpy(part))), 1) for part in _split(pixels)]
        chances: NDArray[np.float64] = torch.cat(parts).double().numpy()
        return chances


def fit_resnet(
    pixels: Stack, target: NDArray[np.int64], classes: int, *, weights: NDArray[np.float64], seed: int, steps: int = 600
) -> ResNet:
    """Return a network (He et al. 2016, arXiv:1512.03385) fitted on images of shape (rows, side, side, channels).

    `target` holds the number of each image's class, from 0, and `weights` the weight of each class. It learns 30 times
    from each image, in at most `steps` batches of 64. The same arguments give the same network.
    """
    import torch

    with seeded(seed):
        net = _new_network(pixels.shape[3], pixels.shape[1], classes)
        images, labels = torch.from_numpy(np.ascontiguousarray(pixels)), torch.from_numpy(target)
        loss = torch.nn.CrossEntropyLoss(torch.from_numpy(weights).float())
        total = min(steps, max(_FEWEST_STEPS, _EPOCHS * len(target) // _BATCH))
        optimiser = torch.optim.SGD(net.parameters(), _RATE, momentum=0.9, nesterov=True, weight_decay=_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=total)
        net.train()
        for rows in _draw_batches(len(target), total):
            optimiser.zero_grad()
            loss(net(_normalise(images[rows])), labels[rows]).backward()
            optimiser.step()
            schedule.step()
    return ResNet(net.eval())


def _draw_batches(rows: int, steps: int) -> "Iterator[Tensor]":
    """Yield the rows of each step: all rows in a random order, again and again."""
    import torch

    order = torch.randperm(rows)
    for _ in range(steps):
        while len(order) < _BATCH:
            order = torch.cat([order, torch.randperm(rows)])
        yield order[:_BATCH]
        order = order[_BATCH:]


def _new_network(channels: int, side: int, classes: int) -> "nn.Module":
    from torch import nn

    class Block(nn.Module):
        """Two convolutions, and a way around them."""

        def __init__(self, before: int, after: int, stride: int) -> None:
            super().__init__()
            self.inner = nn.Sequential(
                nn.Conv2d(before, after, 3, stride, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
                nn.Conv2d(after, after, 3, 1, 1, bias=False),
                nn.BatchNorm2d(after),
            )
            same = stride == 1 and before == after
            self.around = nn.Identity() if same else nn.Conv2d(before, after, 1, stride, bias=False)

        def forward(self, images: "Tensor") -> "Tensor":
            return nn.functional.relu(self.inner(images) + self.around(images))

    first, second, third = _WIDTHS
    stem = nn.Conv2d(channels, first, 3, 2 if side >= _LARGE else 1, 1, bias=False)
    blocks = [Block(first, first, 1), Block(first, second, 2), Block(second, third, 2)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(third, classes)]
    return nn.Sequential(stem, nn.BatchNorm2d(first), nn.ReLU(), *blocks, *head)


def _split(pixels: Stack) -> Iterator[Stack]:
    return (np.ascontiguousarray(pixels[start : start + 256]) for start in range(0, max(1, len(pixels)), 256))


def _normalise(pixels: "Tensor") -> "Tensor":
    """Return images of values from -1 to 1, channels before height and width."""
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
