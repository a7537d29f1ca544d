"""A small convolutional network for small images: it predicts their class and measures how alike two of them look.

It knows no table and no validator. Pixels are uint8 of shape (images, side, side, channels), all of one side and one
number of channels; it is made for sides of 16 or 32.
"""

from dataclasses import dataclass
from math import cos, pi
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from generators.classes import rank_in_class
from generators.random import seeded

if TYPE_CHECKING:
    from torch import Tensor, nn

Stack = NDArray[np.uint8]

_WIDTHS = (24, 48, 96)
_BATCH = 128
_RATE, _DECAY, _WARM = 0.2, 5e-4, 0.25
_EPOCHS, _FEWEST_STEPS = 40, 20  # enough for small sources
_SHIFT, _LIGHT = 0.125, 0.2  # greatest shift and change of light, as shares of the side and of the range of values
_HELD_OUT = 10  # every tenth image of a class is held out for the calibration
_UNSURE = 0.5  # the scale of the scores where no image is held out
_LOOK, _CELLS = 7, 3  # the first layers, before the last ones make a class's images alike, and their grid
_FILE = "net.safetensors"


@dataclass(frozen=True)
class Classifier:
    """A fitted network; `scale` multiplies the scores, so that the probabilities are calibrated (Guo et al. 2017)."""

    net: "nn.Sequential"
    scale: float

    def probabilities(self, pixels: Stack) -> NDArray[np.float64]:
        """Return each class's probability as if all classes were equally frequent; shape (images, classes)."""
        return _softmax(self.scale * _evaluate(self.net, pixels).astype(np.float64))

    def features(self, pixels: Stack) -> NDArray[np.float32]:
        """Return what the images look like, as vectors of length 1: shape (images, 432).

        They are the network's middle layer, averaged over a grid of 3 x 3 cells. The last layer separates the classes,
        but hardly tells a copy from another image of the same class.
        """
        from torch import nn

        middle = nn.Sequential(*list(self.net)[:_LOOK], nn.AdaptiveAvgPool2d(_CELLS), nn.Flatten())
        vectors = _evaluate(middle, pixels)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def save(self, path: Path) -> None:
        """Write net.safetensors into the folder."""
        import torch
        from safetensors.torch import save_file

        tensors = {name: tensor.contiguous() for name, tensor in self.net.state_dict().items()}
        save_file({**tensors, "scale": torch.tensor(self.scale, dtype=torch.float64)}, path / _FILE)

    @classmethod
    def load(cls, path: Path) -> "Classifier":
        """Read what `save` wrote."""
        import torch  # noqa: F401 (its random state is put back only if it is there)
        from safetensors.torch import load_file

        tensors = load_file(path / _FILE)
        scale = float(tensors.pop("scale"))
        classes = next(len(tensor) for tensor in tensors.values() if tensor.ndim == 2)
        with seeded(0):  # a net is filled with random weights before the file's are read
            net = _new_net(tensors["0.weight"].shape[1], classes)
        net.load_state_dict(tensors)
        return cls(net.eval(), scale)


def fit_classifier(pixels: Stack, target: NDArray[np.int64], *, steps: int = 600, flip: bool = True) -> Classifier:
    """Return a network fitted on images (at least one) of the classes `target` (from 0); the same on every run.

    It learns from at most `steps` batches of 128; from small sources it learns 40 times from each image. Images are
    randomly moved, changed in light and, with `flip`, mirrored. Rare classes are drawn more often, by the square root
    of what would make all equal; the rest of their rarity is added to the scores in training (logit adjustment; Menon
    et al. 2021, arXiv:2007.07314). So every class weighs the same in the end, but a few images are not learnt by heart.
    """
    import torch

    with seeded(0):
        net = _new_net(pixels.shape[3], int(target.max()) + 1)
        held_out = rank_in_class(target) % _HELD_OUT == _HELD_OUT - 1
        known = torch.from_numpy(np.ascontiguousarray(pixels[~held_out])), torch.from_numpy(target[~held_out])
        enough = max(_FEWEST_STEPS, _EPOCHS * len(known[0]) // _BATCH)
        _train(net, *known, min(steps, enough), flip)
    return Classifier(net, _fit_scale(_evaluate(net, pixels[held_out]), target[held_out]))


def _new_net(channels: int, classes: int) -> "nn.Sequential":
    """Return a network of the features and, last, the scores of the classes."""
    from torch import nn

    def layer(before: int, after: int, size: int = 3, stride: int = 1) -> list[nn.Module]:
        return [nn.Conv2d(before, after, size, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]

    first, second, third = _WIDTHS
    return nn.Sequential(
        *layer(channels, first, size=4, stride=2),
        *layer(first, second),
        nn.MaxPool2d(2),
        *layer(second, third),
        nn.MaxPool2d(2),
        *layer(third, third),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(third, classes),
    )


def _train(net: "nn.Sequential", pixels: "Tensor", target: "Tensor", steps: int, flip: bool) -> None:
    import torch

    weights, offsets = _balance_classes(target)
    optimiser = torch.optim.SGD(net.parameters(), _RATE, momentum=0.9, nesterov=True, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate_share(step / steps))
    net.train()
    for _ in range(steps):
        rows = torch.multinomial(weights, _BATCH, replacement=True)
        scores = net(_vary(pixels[rows], flip)) + offsets
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(scores, target[rows]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    net.eval()


def _rate_share(done: float) -> float:
    """Return the share of the learning rate: it rises linearly, then falls along half a cosine (He et al. 2019)."""
    return done / _WARM + 1e-3 if done < _WARM else (1 + cos(pi * (done - _WARM) / (1 - _WARM))) / 2


def _balance_classes(target: "Tensor") -> tuple["Tensor", "Tensor"]:
    """Return how often each image is drawn, and the offsets of the scores that make up for the rest of rarity."""
    import torch

    counts = torch.bincount(target).double()
    shares = counts.sqrt() / counts.sqrt().sum()
    return counts.rsqrt()[target], shares.log().float()


def _vary(pixels: "Tensor", flip: bool) -> "Tensor":
    """Return uint8 images (images, side, side, channels) as the network takes them, each randomly changed.

    Each is moved, changed in light and perhaps mirrored. Pixels that come into view mirror the image's edge.
    """
    import torch

    count, side = len(pixels), pixels.shape[1]
    most = max(1, round(_SHIFT * side))
    pixel_indices = torch.randint(-most, most + 1, (2, count, 1)) + torch.arange(side)
    pixel_indices = (side - 1) - (pixel_indices.abs() - (side - 1)).abs()
    if flip:
        pixel_indices[1] = torch.where(torch.rand(count, 1) < 0.5, pixel_indices[1], side - 1 - pixel_indices[1])
    moved = pixels[torch.arange(count)[:, None, None], pixel_indices[0][:, :, None], pixel_indices[1][:, None, :]]
    contrast, light = 2 * _LIGHT * (torch.rand(2, count, 1, 1, 1) - 0.5)
    changed: Tensor = _normalise(moved) * (1 + contrast) + 2 * light
    return changed


def _normalise(pixels: "Tensor") -> "Tensor":
    """Return images of values from -1 to 1, channels before height and width in shape but not in memory."""
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def _evaluate(net: "nn.Sequential", pixels: Stack) -> NDArray[np.float32]:
    """Return the network's output; batches have one size, on one thread, so that no image changes another's output.

    Batches of other sizes would change the last digits.
    """
    import torch

    starts = range(0, max(1, len(pixels)), _BATCH)  # of no images, too, the output has its width
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            parts = [_evaluate_batch(net, pixels[start : start + _BATCH]) for start in starts]
    finally:
        torch.set_num_threads(threads)
    return np.concatenate(parts)


def _evaluate_batch(net: "nn.Sequential", pixels: Stack) -> Any:
    import torch

    filled = np.zeros((_BATCH, *pixels.shape[1:]), np.uint8)
    filled[: len(pixels)] = pixels
    return net(_normalise(torch.from_numpy(filled)))[: len(pixels)].numpy()


def _fit_scale(scores: NDArray[np.float32], target: NDArray[np.int64]) -> float:
    """Return the scale, at most 1, at which held-out images of all classes, weighted alike, are most likely."""
    from scipy.optimize import minimize_scalar

    if not len(target):
        return _UNSURE
    weights = (1 / np.maximum(np.bincount(target), 1))[target]

    def surprise(power: float) -> float:
        chances = _softmax(np.exp(power) * scores.astype(np.float64))
        own = chances[np.arange(len(target)), target]
        return -float(weights @ np.log(np.maximum(own, 1e-300)))

    return float(np.exp(minimize_scalar(surprise, bounds=(-3, 0), method="bounded").x))


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances: NDArray[np.float64] = odds / odds.sum(axis=1, keepdims=True)
    return chances
