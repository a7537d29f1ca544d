"""Images beside their parents."""

import numpy as np
import pyarrow as pa
import pytest

from generators.image.figures import psnr, ssim
from tests.pipelines.judge.image.test_fidelity import REAL, figures, measured, table_of


def test_made_images_are_compared_with_their_own_parents():
    parents = list(range(20)) + list(range(60, 80))
    same = figures(measured(REAL.take(pa.array(parents)), parents), "pairs")
    assert same["SSIM"].made == pytest.approx(1)
    assert same["SSIM"].real < 0.9
    assert (same["PSNR (dB)"].made, same["Same pixels"].made, same["Same pixels"].real) == (None, 1, 0)
    assert same["PSNR (dB)"].real > 5
    larger = table_of([np.zeros((20, 20, 1), np.uint8)] * 40, ["bars"] * 20 + ["dots"] * 20)
    assert measured(larger, parents).group("pairs") is None  # no pair has one size


def test_pairs_of_images():
    rng = np.random.default_rng(0)
    one = rng.integers(0, 256, (24, 20, 3)).astype(np.uint8)
    assert ssim(one, one) == pytest.approx(1)
    assert ssim(one, 255 - one) < 0.1
    brighter = np.full((24, 20, 1), 110, np.uint8)
    assert psnr(np.full((24, 20, 1), 100, np.uint8), brighter) == pytest.approx(20 * np.log10(255 / 10), rel=1e-5)
