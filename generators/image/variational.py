"""Trains `vae`: an encoder and a decoder. Knows no table; randomness is torch's global state."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from generators.device import mixed_precision
from generators.image.networks import Decoder, Encoder, Shape
from generators.image.training import Batch, adam
from generators.training import descend


class Variational(nn.Module):
    """A class-conditional encoder and decoder (Kingma & Welling 2013; Sohn et al. 2015)."""

    def __init__(self, shape: Shape, latent: int, width: int, levels: int) -> None:
        super().__init__()
        self.encoder = Encoder(shape, latent, width, levels)
        self.decoder = Decoder(shape, latent, width, levels)

    def forward(self, images: Tensor, classes: Tensor, chance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the decoded images, and the means and log variances; `chance` is normal noise (rows, latent)."""
        mean, spread = self.encoder(images, classes)
        return self.decoder(mean + chance * (spread / 2).exp(), classes), mean, spread


class VariationalTask:
    """Trains the network to encode images in few numbers and to decode them again.

    The variance of the pixels is the best one for the batch, so that images are as sharp as possible (sigma-VAE, Rybkin
    et al. 2020, arXiv:2006.13202). `beta` weighs how close the numbers are to the standard normal distribution.
    """

    def __init__(
        self, network: Variational, *, latent: int, rate: float, beta: float, decay: float, clip: float
    ) -> None:
        self.network: nn.Module = network
        self.result = network
        self.optimizers = [adam(network.parameters(), rate, (0.9, 0.99), decay)]
        self._latent, self._beta, self._clip = latent, beta, clip

    def learn(self, draw: Callable[[], Batch]) -> Tensor:
        """Do one step on one batch."""
        images, classes = draw()
        loss = self._bound(self.network, images, classes, torch.randn(len(classes), self._latent))
        descend(self.optimizers[0], loss, self._clip)
        return loss.detach()

    def judge(self, model: nn.Module, held_out: Batch) -> Tensor:
        """Return the loss; the noise is the same at every call."""
        images, classes = held_out
        chance = torch.randn(len(classes), self._latent, generator=torch.Generator().manual_seed(0))
        return self._bound(model, images, classes, chance)

    def _bound(self, model: nn.Module, images: Tensor, classes: Tensor, chance: Tensor) -> Tensor:
        with mixed_precision(images.device.type):
            made, mean, spread = model(images, classes, chance.to(images.device))
        return negative_bound(images, made.float(), mean.float(), spread.float(), self._beta)


def negative_bound(images: Tensor, made: Tensor, mean: Tensor, spread: Tensor, beta: float) -> Tensor:
    """Return the negative evidence lower bound per pixel, without a constant, of decoded images `made`."""
    distance = 0.5 * (mean**2 + spread.exp() - 1 - spread).sum(1).mean() / images[0].numel()
    error = ((made - images) ** 2).mean()
    bound: Tensor = 0.5 * torch.log(error + 1e-4) + beta * distance
    return bound
