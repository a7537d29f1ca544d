"""Thumbnails: tiny images are enlarged, large ones reduced, none is large as a file."""

import numpy as np

from pipelines.report.image.section import (
    MOST_BYTES,
    REJECTED_IMAGES,
    REJECTED_REASONS,
    SHEET_IMAGES,
    SHOWN_CLASSES,
)
from pipelines.report.image.thumbnails import TINY, shrink, thumbnail
from tests.pipelines.report.image.test_section import squares


def test_tiny_images_are_enlarged_and_large_ones_reduced() -> None:
    tiny = thumbnail(squares(1, 1, size=TINY)[0], 96, MOST_BYTES)
    assert (tiny.width, tiny.height, tiny.tiny) == (TINY, TINY, True)
    assert tiny.uri.startswith("data:image/png;base64,")
    wide = thumbnail(np.zeros((50, 400, 1), np.uint8), 96, MOST_BYTES)
    assert (wide.width, wide.height, wide.tiny) == (96, 12, False)
    assert wide.uri.startswith("data:image/webp;base64,")
    assert shrink(np.zeros((1, 5000, 3), np.uint8), 96).shape == (1, 96, 3)
    stripes = np.tile(np.array([0, 200], np.uint8), (100, 50))[..., None]
    assert (shrink(stripes, 50) == 100).all()  # by area


def test_noise_does_not_blow_up_the_page() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    assert len(thumbnail(noise, 96, MOST_BYTES).uri) < 1.4 * MOST_BYTES
    assert 2 * SHOWN_CLASSES * SHEET_IMAGES * 1.4 * MOST_BYTES < 2_500_000
    assert REJECTED_REASONS * REJECTED_IMAGES * 1.4 * MOST_BYTES < 1_000_000
