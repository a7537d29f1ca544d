"""Trains `gan`: a generator against a critic. Knows no table; randomness is torch's global state."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.device import mixed_precision
from generators.image.augmentation import augment
from generators.image.networks import Critic, Decoder, Encoder
from generators.image.training import Batch, adam
from generators.image.variational import negative_bound
from generators.training import descend

Loss = Literal["hinge", "wgan_gp", "lsgan"]

_PENALTY = 10.0  # of WGAN-GP, as in its paper


@dataclass(frozen=True)
class Contest:
    """The settings of generator and critic: `latent` random numbers per image, the rest as in `GANParams`."""

    latent: int
    loss: Loss
    rate: float
    critic_steps: int
    strength: float
    reconstruction: float
    clip: float


class AdversarialTask:
    """Trains the generator to make images that the critic takes for real, and the critic to tell them apart.

    The losses are `hinge` as in Miyato et al. 2018 (arXiv:1802.05957), `wgan_gp` as in Gulrajani et al. 2017
    (arXiv:1704.00028), `lsgan` as in Mao et al. 2016 (arXiv:1611.04076). All images that the critic sees are augmented
    (DiffAugment). With `reconstruction` the generator also decodes what an encoder makes of real images (CVAE-GAN, Bao
    et al. 2017, arXiv:1703.10155): so it cannot forget some of them, and random numbers mean the same for rare classes
    as for frequent ones.
    """

    def __init__(self, generator: Decoder, critic: Critic, encoder: Encoder, contest: Contest) -> None:
        self.network: nn.Module = nn.ModuleDict({"generator": generator, "critic": critic, "encoder": encoder})
        self.result, self._critic, self._encoder, self._contest = generator, critic, encoder, contest
        generator_weights = [*generator.parameters(), *encoder.parameters()]
        self.optimizers = [
            adam(weights, contest.rate, (0.0, 0.99)) for weights in (generator_weights, critic.parameters())
        ]

    def learn(self, draw: Callable[[], Batch]) -> Tensor:
        """Do `critic_steps` steps of the critic and one of the generator; return the critic's last loss."""
        contest = self._contest
        for _ in range(contest.critic_steps):
            images, classes = draw()
            with torch.no_grad():
                made = self._make(classes)
            loss = self._critic_loss(images, made, classes)
            descend(self.optimizers[1], loss, contest.clip)
        score = self._score(self._make(classes), classes)
        generator_loss = ((score - 1) ** 2).mean() if contest.loss == "lsgan" else -score.mean()
        if contest.reconstruction:
            generator_loss = generator_loss + contest.reconstruction * self._bound(images, classes)
        descend(self.optimizers[0], generator_loss, contest.clip)
        return loss.detach()

    def _bound(self, images: Tensor, classes: Tensor) -> Tensor:
        chance = torch.randn(len(classes), self._contest.latent).to(images.device)
        with mixed_precision(images.device.type):
            mean, spread = self._encoder(images, classes)
            made = self.result(mean + chance * (spread / 2).exp(), classes)
        return negative_bound(images, made.float(), mean.float(), spread.float(), 1.0)

    def judge(self, model: nn.Module, held_out: Batch) -> None:
        """Return None: no loss of a GAN says how good its images are, so its training never ends early."""

    def _make(self, classes: Tensor) -> Tensor:
        noise = torch.randn(len(classes), self._contest.latent).to(classes.device)
        with mixed_precision(classes.device.type):
            made: Tensor = self.result(noise, classes)
        return made.float()

    def _score(self, images: Tensor, classes: Tensor) -> Tensor:
        with mixed_precision(classes.device.type):
            score: Tensor = self._critic(augment(images, self._contest.strength), classes)
        return score.float()

    def _critic_loss(self, images: Tensor, made: Tensor, classes: Tensor) -> Tensor:
        real, fake = self._score(images, classes), self._score(made, classes)
        if self._contest.loss == "hinge":
            return (functional.relu(1 - real) + functional.relu(1 + fake)).mean()
        if self._contest.loss == "lsgan":
            return ((real - 1) ** 2 + fake**2).mean()
        return (fake - real).mean() + _PENALTY * self._penalty(images, made, classes)

    def _penalty(self, images: Tensor, made: Tensor, classes: Tensor) -> Tensor:
        """Return the gradient penalty: how far the critic's slope between real and made images is from 1."""
        share = torch.rand(len(images), 1, 1, 1).to(images.device)
        between = torch.lerp(images, made, share).requires_grad_()
        score = self._critic(between, classes).sum()
        (slope,) = torch.autograd.grad(score, between, create_graph=True)
        penalty: Tensor = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
        return penalty
