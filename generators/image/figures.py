"""Figures of images by torchmetrics: features, probabilities or pixels in as numpy arrays, numbers out.

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
"""Sides of an image, in pixels, from which SSIM's window of 11 (mirrored at the edges) fits."""


def frechet_distance(real: Floats, made: Floats) -> float:
    """Return the Fréchet distance of two sets of features (rows, features), with two rows or more each.

    Heusel et al. 2017, arXiv:1706.08500; of Inception's features it is FID. It is biased: small sets are far apart.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    with steady():
        metric = FrechetInceptionDistance(feature=_given(real.shape[1])).set_dtype(_double())
        metric.update(_tensor(real), real=True)
        metric.update(_tensor(made), real=False)
        return max(0.0, float(metric.compute()))


def kernel_distance(real: Floats, made: Floats) -> float:
    """Return the squared maximum mean discrepancy of two sets of features, by a cubic kernel, over all rows at once.

    Bińkowski et al. 2018, arXiv:1801.01401; of Inception's features it is KID. It is not biased: below 0 is chance.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    with steady():
        rows = min(len(real), len(made))
        metric = KernelInceptionDistance(feature=_given(real.shape[1]), subsets=1, subset_size=rows)
        metric.update(_tensor(real), real=True)
        metric.update(_tensor(made), real=False)
        return float(metric.compute()[0])


def inception_score(probabilities: Floats) -> float:
    """Return the inception score of class probabilities (images, classes), from 1 to the number of classes.

    Salimans et al. 2016, arXiv:1606.03498. High: each image is surely of one class, and all classes are there.
    """
    from torchmetrics.image.inception import InceptionScore

    with steady():
        metric = InceptionScore(feature=_given(probabilities.shape[1]), splits=1)
        metric.update(_tensor(np.log(np.maximum(probabilities, 1e-12))))
        return float(metric.compute()[0])


def ssim(one: Pixels, other: Pixels) -> float:
    """Return the structural similarity of two images of one shape, 1 for the same (Wang et al. 2004)."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    found: Any = structural_similarity_index_measure(_image(one), _image(other), data_range=255.0)
    return float(found)


def psnr(one: Pixels, other: Pixels) -> float:
    """Return the peak signal-to-noise ratio of two images of one shape in dB; infinite for the same."""
    from torchmetrics.functional.image import peak_signal_noise_ratio

    return float(peak_signal_noise_ratio(_image(one), _image(other), data_range=255.0))


@contextmanager
def steady() -> Iterator[None]:
    """Keep torchmetrics from telling what its metrics hold, the random state as it was, and torch on one thread."""
    import torch  # noqa: F401 (its random state is put back only if it is there)

    with warnings.catch_warnings(), seeded(0):
        warnings.simplefilter("ignore")
        yield


def _given(width: int) -> Any:
    """Return the network that takes features for images and hands them on."""
    from torch.nn import Identity

    network: Any = Identity()
    network.num_features = width
    return network


def _double() -> Any:
    import torch

    return torch.float64


def _tensor(rows: Floats) -> "Tensor":
    import torch

    return torch.from_numpy(np.ascontiguousarray(rows, np.float64))


def _image(pixels: Pixels) -> "Tensor":
    """Return the image of shape (1, channels, height, width)."""
    import torch

    return torch.tensor(pixels).permute(2, 0, 1)[None].float()
