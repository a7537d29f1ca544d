"""What is particular to `gan`."""

import pytest
import torch

from generators.image.gan import GAN
from generators.image.networks import Critic, Shape
from tests.tiny_images import Watched, pixels, request, squares

TINY = {"width": 8, "latent": 8, "batch_rows": 16, "steps": 100, "ema": 0.9, "learning_rate": 2e-3, "shift": 0}


def make(**params):
    return GAN(GAN.Params(**{**TINY, **params}))


@pytest.mark.parametrize("loss", ["hinge", "wgan_gp", "lsgan"])
def test_every_loss_learns_the_classes(loss):
    generator = make(loss=loss, critic_steps=1)
    generator.fit(squares(12), "kind", 1)
    dark, light = (pixels(generator.sample(request(stratum))).mean() for stratum in ("dark", "light"))
    assert dark + 60 < light


def test_no_held_out_loss_and_no_early_end():
    watched = Watched()
    make(steps=8, look_every=2, patience=1).train(squares(200), "kind", 1, watched)
    assert watched.heard[-1].step == 8
    assert {progress.held_out for progress in watched.heard} == {None}


@pytest.mark.parametrize("size", [(8, 8), (5, 13), (33, 32)])
def test_critic_gives_one_number_an_image(size):
    critic = Critic(Shape(*size, 3, 2), 8, 3)
    assert critic(torch.zeros(4, 3, *size), torch.tensor([0, 1, 0, 1])).shape == (4,)


def test_images_of_a_class_differ():
    generator = make(steps=20)
    generator.fit(squares(4), "kind", 1)
    made = pixels(generator.sample(request(rows=6))).reshape(6, -1)
    assert len({row.tobytes() for row in made}) == 6
