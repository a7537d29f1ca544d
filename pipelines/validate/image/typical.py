"""Learns the usual size, contrast and roughness of real images in constant memory. Knows no candidates."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from generators.image.codec import Pixels
from pipelines.validate.histogram import Histogram

_USUAL = 0.999  # the share of real images that are above the least contrast, or below the most roughness
_NEVER_BLANK = 8.0  # a contrast, of 127.5, that is never too little
_NEVER_NOISE = 0.3  # a roughness that is never too much


@dataclass(frozen=True)
class Usual:
    """Widths and heights as [least, most], numbers of channels, the least contrast and the most roughness."""

    widths: list[int]
    heights: list[int]
    channels: list[int]
    contrast: float
    roughness: float


@dataclass(frozen=True)
class Measured:
    """Measures of some images, one value an image.

    `contrast` is the standard deviation of the pixels. `roughness` is half the mean squared difference of neighbours
    over the variance: 0 for slow gradients, about 0.1 for photographs, 1 for white noise (one minus the correlation of
    neighbours; von Neumann 1941). Channels are taken together; it is 0 where all pixels are equal.
    """

    widths: NDArray[np.int64]
    heights: NDArray[np.int64]
    channels: NDArray[np.int64]
    contrast: NDArray[np.float64]
    roughness: NDArray[np.float64]


def measure(images: Sequence[Pixels]) -> Measured:
    """Return the measures of some images."""
    shapes = np.array([image.shape for image in images], np.int64).reshape(-1, 3)
    measures = np.array([_contrast_and_roughness(image) for image in images], np.float64).reshape(-1, 2)
    return Measured(shapes[:, 1], shapes[:, 0], shapes[:, 2], measures[:, 0], measures[:, 1])


def _contrast_and_roughness(image: Pixels) -> tuple[float, float]:
    """Return an image's contrast and roughness."""
    import cv2

    variance = float(np.mean(cv2.meanStdDev(image)[1] ** 2))
    if variance == 0:
        return 0.0, 0.0
    pairs = [(image[1:], image[:-1]), (image[:, 1:], image[:, :-1])]
    steps = [cv2.norm(one, other, cv2.NORM_L2SQR) / one.size for one, other in pairs if one.size]
    return variance**0.5, sum(steps) / len(steps) / 2 / variance


class Learner:
    """Collects what is usual among real images."""

    def __init__(self) -> None:
        self._ranges: dict[str, tuple[int, int]] = {}
        self._channels: set[int] = set()
        self._contrast, self._roughness = Histogram(127.5), Histogram(2.0)

    def add(self, measured: Measured) -> None:
        """Add the measures of some images."""
        if not len(measured.widths):
            return
        for name in ("widths", "heights"):
            values = getattr(measured, name)
            least, most = self._ranges.get(name, (values[0], values[0]))
            self._ranges[name] = (min(int(least), int(values.min())), max(int(most), int(values.max())))
        self._channels.update(measured.channels.tolist())
        self._contrast.add(measured.contrast)
        self._roughness.add(measured.roughness)

    def usual(self, slack: float) -> Usual:
        """Return the limits learnt; a measure that varies may exceed them by the share `slack`."""
        contrast = self._contrast.quantile(1 - _USUAL) * (1 - slack)
        roughness = self._roughness.quantile(_USUAL) * (1 + slack)
        return Usual(
            widths=_widen(self._ranges.get("widths", (0, 0)), slack),
            heights=_widen(self._ranges.get("heights", (0, 0)), slack),
            channels=sorted(self._channels),
            contrast=min(_NEVER_BLANK, contrast),
            roughness=max(_NEVER_NOISE, roughness),
        )


def _widen(limits: tuple[int, int], slack: float) -> list[int]:
    """Return limits with some room; a measure with a single value keeps it."""
    least, most = limits
    return [least, most] if least == most else [floor(least * (1 - slack)), ceil(most * (1 + slack))]
