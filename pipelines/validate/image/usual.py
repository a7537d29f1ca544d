"""What real images are like, learnt while they stream by in constant memory. Knows no candidates."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from generators.image.codec import Pixels
from pipelines.validate.histogram import Histogram

_USUAL = 0.999  # of the real images show more contrast than is unusually little, and are less rough than is unusual
_NEVER_BLANK = 8.0  # a contrast that is never too little, of 127.5
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

    `contrast` is the standard deviation of the pixels, `roughness` half the mean squared difference of neighbours over
    the variance: 0 for slow gradients, about 0.1 for photographs, 1 for white noise (one minus the correlation of
    neighbours; von Neumann 1941). Channels are taken together; 0 where all pixels are alike.
    """

    widths: NDArray[np.int64]
    heights: NDArray[np.int64]
    channels: NDArray[np.int64]
    contrast: NDArray[np.float64]
    roughness: NDArray[np.float64]


def measure(images: Sequence[Pixels]) -> Measured:
    """Return the images' measures."""
    shapes = np.array([image.shape for image in images], np.int64).reshape(-1, 3)
    looks = np.array([_look(image) for image in images], np.float64).reshape(-1, 2)
    return Measured(shapes[:, 1], shapes[:, 0], shapes[:, 2], looks[:, 0], looks[:, 1])


def _look(image: Pixels) -> tuple[float, float]:
    """Return an image's contrast and roughness."""
    import cv2

    variance = float(np.mean(cv2.meanStdDev(image)[1] ** 2))
    if variance == 0:
        return 0.0, 0.0
    pairs = [(image[1:], image[:-1]), (image[:, 1:], image[:, :-1])]
    steps = [cv2.norm(one, other, cv2.NORM_L2SQR) / one.size for one, other in pairs if one.size]
    return variance**0.5, sum(steps) / len(steps) / 2 / variance


class Learner:
    """Adds up what real images are like."""

    def __init__(self) -> None:
        self._ranges: dict[str, tuple[int, int]] = {}
        self._channels: set[int] = set()
        self._contrast, self._roughness = Histogram(127.5), Histogram(2.0)

    def add(self, found: Measured) -> None:
        """Take some images into account."""
        if not len(found.widths):
            return
        for name in ("widths", "heights"):
            values = getattr(found, name)
            least, most = self._ranges.get(name, (values[0], values[0]))
            self._ranges[name] = (min(int(least), int(values.min())), max(int(most), int(values.max())))
        self._channels.update(found.channels.tolist())
        self._contrast.add(found.contrast)
        self._roughness.add(found.roughness)

    def usual(self, slack: float) -> Usual:
        """Return what was learnt; what varies may exceed it by the share `slack`."""
        contrast = self._contrast.quantile(1 - _USUAL) * (1 - slack)
        roughness = self._roughness.quantile(_USUAL) * (1 + slack)
        return Usual(
            widths=_widened(self._ranges.get("widths", (0, 0)), slack),
            heights=_widened(self._ranges.get("heights", (0, 0)), slack),
            channels=sorted(self._channels),
            contrast=min(_NEVER_BLANK, contrast),
            roughness=max(_NEVER_NOISE, roughness),
        )


def _widened(limits: tuple[int, int], slack: float) -> list[int]:
    """Return limits of what varies with some room; what is one and the same stays so."""
    least, most = limits
    return [least, most] if least == most else [floor(least * (1 - slack)), ceil(most * (1 + slack))]
