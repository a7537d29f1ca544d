"""Flow matching: how `diffusion` learns and draws. Knows no table; randomness is torch's global state.

The path from an image x to noise e is straight, (1 - t) x + t e, and the network learns its velocity e - x (Lipman et
al. 2022, arXiv:2210.02747; Liu et al. 2022, arXiv:2209.03003). Times are drawn logit-normal (Esser et al. 2024,
arXiv:2403.03206). In training the class is sometimes left out, so that drawing can push an image away from one of no
class (classifier-free guidance, Ho & Salimans 2022, arXiv:2207.12598).
"""

import logging
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.device import mixed_precision
from generators.image.networks import Velocity
from generators.image.training import Batch, adam
from generators.training import descend

log = logging.getLogger(__name__)


class FlowTask:
    """Trains the network to predict the velocity."""

    def __init__(self, network: Velocity, *, rate: float, decay: float, clip: float, no_class: float) -> None:
        self.network: nn.Module = network
        self.result = network
        self.optimizers = [adam(network.parameters(), rate, (0.9, 0.99), decay)]
        self._clip, self._no_class, self._classes = clip, no_class, network.shape.classes

    def learn(self, draw: Callable[[], Batch]) -> Tensor:
        """Do one step on one batch."""
        images, classes = draw()
        left_out = torch.rand(len(classes)).to(classes.device) < self._no_class
        times = torch.sigmoid(torch.randn(len(classes)))
        conditions = classes.masked_fill(left_out, self._classes)
        loss = _loss(self.network, images, conditions, times, torch.randn_like(images))
        descend(self.optimizers[0], loss, self._clip)
        return loss.detach()

    def judge(self, model: nn.Module, held_out: Batch) -> Tensor:
        """Return the loss at evenly spaced times; the noise is the same at every call."""
        images, classes = held_out
        source = torch.Generator().manual_seed(0)
        times = (torch.arange(len(classes)) + 0.5) / len(classes)
        return _loss(model, images, classes, times, torch.randn(images.shape, generator=source))


def _loss(model: Callable[..., Tensor], images: Tensor, classes: Tensor, times: Tensor, noise: Tensor) -> Tensor:
    noise, times = noise.to(images.device), times.to(images.device)
    mixed = torch.lerp(images, noise, times[:, None, None, None])
    with mixed_precision(images.device.type):
        velocity = model(mixed, times, classes)
    return functional.mse_loss(velocity.float(), noise - images)


@torch.inference_mode()
def draw(model: Velocity, noise: Tensor, number: int, steps: int, guidance: float) -> Tensor:
    """Return images of class `number` that start as `noise`, by `steps` steps of Heun's method, the last of Euler's.

    With a guidance other than 1 the model sees each image twice, once without its class.
    """
    dtype = next(model.parameters()).dtype
    classes = torch.full((len(noise),), number, device=noise.device)
    if guidance != 1:
        classes = torch.cat([classes, torch.full_like(classes, model.shape.classes)])

    def velocity(images: Tensor, time: float) -> Tensor:
        seen = images.to(dtype).repeat(len(classes) // len(images), 1, 1, 1)
        made: Tensor = model(seen, torch.full((len(classes),), time, device=noise.device), classes).float()
        return made if guidance == 1 else torch.lerp(made[len(images) :], made[: len(images)], guidance)

    images = noise
    times = torch.linspace(1, 0, steps + 1).tolist()
    for now, then in pairwise(times):
        first = velocity(images, now)
        moved = images + (then - now) * first
        images = images + (then - now) * (first + velocity(moved, then)) / 2 if then else moved
    return images


def compile_network(network: Velocity, rows: int) -> None:
    """Compile a network on a GPU for batches of `rows`; where that fails it stays as it is.

    One pass (forward and backward if the network learns) tests it, since compiled code fails only at its first use.
    """
    module: Any = network
    module.to(memory_format=torch.channels_last)
    network.compile(dynamic=False, options={"deterministic": True})
    try:
        _test_pass(network, rows)
    except (RuntimeError, ImportError, OSError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        log.warning("the network is not compiled, which is slower: %s", str(error).split("\n", 1)[0])
        network._compiled_call_impl = None
    network.zero_grad(set_to_none=True)


def _test_pass(network: Velocity, rows: int) -> None:
    weight, shape = next(network.parameters()), network.shape
    size = (rows, shape.channels, shape.height, shape.width)
    images = torch.zeros(size, dtype=weight.dtype, device=weight.device)
    times, classes = torch.zeros(rows, device=weight.device), torch.zeros(rows, dtype=torch.long, device=weight.device)
    if not network.training:
        with torch.inference_mode():
            network(images, times, classes)
        return
    with mixed_precision(weight.device.type):
        made = network(images, times, classes)
    made.float().mean().backward()
