"""Images in numbers: brightness, colour, sharpness, and distances. Knows pixels, nothing of classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generators.image.codec import Pixels
from pipelines.report.compare import Floats
from pipelines.report.image.thumbnails import resize, shrink

MEASURES = {
    "Brightness": "mean grey level, 0 to 255",
    "Contrast": "standard deviation of the grey levels",
    "Colourfulness": "0 (grey) to some 100",
    "Sharpness": "standard deviation of the Laplacian",
}
MEASURED_SIDE = 256
"""Images are measured with their longest side cut to at most this, since sharpness depends on the size."""
_COMPARED_SIDE = 32


def measure(pixels: Pixels) -> tuple[float, float, float, float]:
    """Return the image's `MEASURES`, in their order."""
    import cv2

    seen = shrink(pixels, MEASURED_SIDE)
    grey: Any = seen[..., 0] if seen.shape[2] == 1 else cv2.cvtColor(seen, cv2.COLOR_RGB2GRAY)
    edges: Any = cv2.Laplacian(grey, cv2.CV_64F)
    return float(grey.mean()), float(grey.std()), colourfulness(seen), float(edges.std())


def colourfulness(pixels: Pixels) -> float:
    """Return Hasler and Süsstrunk's measure (Human Vision and Electronic Imaging 2003, metric M3); 0 for grey ones."""
    if pixels.shape[2] == 1:
        return 0.0
    red, green, blue = np.moveaxis(pixels.astype(np.float64), 2, 0)
    first, second = red - green, (red + green) / 2 - blue
    return float(np.hypot(first.std(), second.std()) + 0.3 * np.hypot(first.mean(), second.mean()))


def small(pixels: Pixels) -> Pixels:
    """Return the image as `distances` compares it: 32 x 32 pixels, whatever its shape."""
    return resize(pixels, _COMPARED_SIDE, _COMPARED_SIDE)


def distances(images: Sequence[Pixels]) -> Floats:
    """Return the square matrix of the images' distances: 0 for equal images, 1 for black and white.

    The distance is the root mean square of the differences of all pixels and colours, each image made `small`.
    """
    flat = np.stack([_flat(image) for image in images])
    squares = (flat**2).sum(axis=1)
    matrix = np.maximum(squares[:, None] + squares[None, :] - 2 * flat @ flat.T, 0) / flat.shape[1]
    np.fill_diagonal(matrix, 0)
    return np.asarray(np.sqrt(matrix), dtype=np.float64)


def _flat(image: Pixels) -> NDArray[np.float64]:
    little = small(image)
    coloured = np.repeat(little, 3, axis=2) if little.shape[2] == 1 else little
    return coloured.astype(np.float64).ravel() / 255


def mean_distances(images: Sequence[Pixels]) -> tuple[float, float]:
    """Return the mean distance of two images, and the mean distance of an image to its nearest one."""
    matrix = distances(images)
    others = matrix[~np.eye(len(matrix), dtype=bool)].reshape(len(matrix), -1)
    return float(others.mean()), float(others.min(axis=1).mean())
