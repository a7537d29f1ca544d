"""Figures about images, by torchmetrics: numpy arrays of features, probabilities or pixels in, numbers out.

Knows no network and no table.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from generators.image.codec import Pixels
from generators.random import seeded

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]

SMALLEST = 6
"""The shortest side of an image, in pixels, into which SSIM's window of 11 (mirrored at the edges) fits."""


def frechet_distance(real: Floats, made: Floats) -> float:
    """Return the Fréchet distance of two sets of features (rows, features), with two rows or more each.

    Heusel et al. 2017, arXiv:1706.08500; with Inception's features it is FID. It is biased: it is greater for small
    sets.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    with quiet_metrics():
        metric = FrechetInceptionDistance(feature=_pass_through(real.shape[1])).set_dtype(_double_type())
        metric.update(_to_tensor(real), real=True)
        metric.update(_to_tensor(made), real=False)
        return max(0.0, float(metric.compute()))


def kernel_distance(real: Floats, made: Floats) -> float:
    """Return the squared maximum mean discrepancy of two sets of features, by a cubic kernel, over all rows at once.

    Bińkowski et al. 2018, arXiv:1801.01401; with Inception's features it is KID. It is unbiased: values below 0 are
    chance.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    with quiet_metrics():
        rows = min(len(real), len(made))
        metric = KernelInceptionDistance(feature=_pass_through(real.shape[1]), subsets=1, subset_size=rows)
        metric.update(_to_tensor(real), real=True)
        metric.update(_to_tensor(made), real=False)
        return float(metric.compute()[0])


def inception_score(probabilities: Floats) -> float:
    """Return the inception score of class probabilities (images, classes), from 1 to the number of classes.

    Salimans et al. 2016, arXiv:1606.03498. A high score means that each image is surely of one class, and that all
    classes occur.
    """
    from torchmetrics.image.inception import InceptionScore

    with quiet_metrics():
        metric = InceptionScore(feature=_pass_through(probabilities.shape[1]), splits=1)
        metric.update(_to_tensor(np.log(np.maximum(probabilities, 1e-12))))
        return float(metric.compute()[0])


def ssim(one: Pixels, other: Pixels) -> float:
    """Return the structural similarity of two images of one shape, 1 for equal images (Wang et al. 2004)."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    value: Any = structural_similarity_index_measure(_image_tensor(one), _image_tensor(other), data_range=255.0)
    return float(value)


def psnr(one: Pixels, other: Pixels) -> float:
    """Return the peak signal-to-noise ratio of two images of one shape in dB; infinite for equal images."""
    from torchmetrics.functional.image import peak_signal_noise_ratio

    return float(peak_signal_noise_ratio(_image_tensor(one), _image_tensor(other), data_range=255.0))


@contextmanager
def quiet_metrics() -> Iterator[None]:
    """Silence torchmetrics' warnings, keep the random state as it was, and torch on one thread."""
    import torch  # noqa: F401 (its random state is put back only if it is there)

    with warnings.catch_warnings(), seeded(0):
        warnings.simplefilter("ignore")
        yield


def _pass_through(width: int) -> Any:
    """Return a network that takes features in place of images and returns them."""
    from torch.nn import Identity

    network: Any = Identity()
    network.num_features = width
    return network


def _double_type() -> Any:
    import torch

    return torch.float64


def _to_tensor(rows: Floats) -> "Tensor":
    import torch

    return torch.from_numpy(np.ascontiguousarray(rows, np.float64))


def _image_tensor(pixels: Pixels) -> "Tensor":
    """Return the image as a tensor of shape (1, channels, height, width)."""
    import torch

    return torch.tensor(pixels).permute(2, 0, 1)[None].float()
