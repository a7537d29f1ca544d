"""What is particular to `vae`."""

import pytest
import torch

from generators.image.networks import Shape
from generators.image.vae import VAE
from generators.image.variational import Variational
from tests.tiny_images import pixels, request, squares

TINY = {"width": 8, "latent": 4, "batch_rows": 16, "steps": 80, "warm_up": 5, "ema": 0.9, "learning_rate": 5e-3}


def make(**params):
    return VAE(VAE.Params(**{**TINY, **params}))


def test_images_are_of_the_class_that_was_asked_for():
    generator = make()
    generator.fit(squares(12), "kind", 1)
    dark, light = (pixels(generator.sample(request(stratum))).mean() for stratum in ("dark", "light"))
    assert dark < 80 < 180 < light


def test_rare_class_is_learnt_beside_a_common_one():
    table = squares(40)
    generator = make()
    generator.fit(table.slice(0, 42), "kind", 1)  # 40 dark ones, 2 light ones
    assert pixels(generator.sample(request("light"))).mean() > 170


@pytest.mark.parametrize("size", [(8, 8), (5, 13), (33, 32), (2, 2)])
def test_decoded_images_are_of_the_real_ones_size(size):
    network = Variational(Shape(*size, 3, 2), 4, 8, 3)
    made, mean, spread = network(torch.zeros(2, 3, *size), torch.tensor([0, 1]), torch.randn(2, 4))
    assert made.shape == (2, 3, *size)
    assert mean.shape == spread.shape == (2, 4)
