"""Measures of pixels, on images that are known."""

import numpy as np
import pytest

from pipelines.report.image.pixels import colourfulness, distances, mean_distances, measure


def test_measures_of_known_images() -> None:
    grey = np.full((8, 8, 1), 100, np.uint8)
    assert measure(grey) == (100, 0, 0, 0)
    board = np.indices((8, 8)).sum(axis=0) % 2 * 255
    brightness, contrast, colour, sharpness = measure(board.astype(np.uint8)[..., None].repeat(3, axis=2))
    assert (brightness, contrast, colour) == (127.5, 127.5, 0)
    assert sharpness > 400
    red_and_blue = np.zeros((2, 1, 3), np.uint8)
    red_and_blue[0, 0, 0] = red_and_blue[1, 0, 2] = 255
    first, second = np.array([255, 0]), np.array([127.5, -255])
    expected = np.hypot(first.std(), second.std()) + 0.3 * np.hypot(first.mean(), second.mean())
    assert colourfulness(red_and_blue) == pytest.approx(expected)


def test_distances_of_known_images() -> None:
    black, white = np.zeros((5, 9, 1), np.uint8), np.full((40, 40, 3), 255, np.uint8)
    np.testing.assert_allclose(distances([black, white, black]), [[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    assert mean_distances([black, white, black]) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
