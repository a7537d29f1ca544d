"""The class-conditional networks that make images or judge them. Knows no training and no table."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

_GROUPS = 8  # of a norm: widths are multiples of it
_LEAST = 4  # the fewest pixels of the shorter side inside a network
_ATTENTION = 16  # a U-Net has attention where the longer side has no more pixels


@dataclass(frozen=True)
class Shape:
    """The images' height, width and channels, and the number of classes.

    >>> Shape(height=28, width=28, channels=1, classes=10).smallest(levels=2)
    (7, 7)
    """

    height: int
    width: int
    channels: int
    classes: int

    def levels(self, most: int) -> int:
        """Return how often the sides can be halved, at most `most` times."""
        return sum(min(self.height, self.width) >> level >= _LEAST for level in range(1, most + 1))

    def smallest(self, levels: int) -> tuple[int, int]:
        """Return height and width, halved `levels` times and rounded up."""
        return -(-self.height // 2**levels), -(-self.width // 2**levels)


class Velocity(nn.Module):
    """A U-Net (Ronneberger et al. 2015; diffusers' `UNet2DModel`) of noisy images, their time (0 to 1) and class.

    The class number `shape.classes` means no class. Sides that cannot be halved are padded inside.
    """

    def __init__(self, shape: Shape, widths: Sequence[int], layers: int, attention: bool, dropout: float) -> None:
        super().__init__()
        from diffusers import UNet2DModel

        self.shape = shape
        widths = list(widths[: 1 + shape.levels(len(widths) - 1)])
        self.multiple = 2 ** (len(widths) - 1)
        sides = [max(shape.height, shape.width) >> level for level in range(len(widths))]
        looks = [attention and side <= _ATTENTION for side in sides]
        self.unet: Any = UNet2DModel(
            in_channels=shape.channels,
            out_channels=shape.channels,
            down_block_types=["AttnDownBlock2D" if look else "DownBlock2D" for look in looks],
            up_block_types=["AttnUpBlock2D" if look else "UpBlock2D" for look in reversed(looks)],
            block_out_channels=widths,
            layers_per_block=layers,
            add_attention=attention,
            attention_head_dim=32 if all(width % 32 == 0 for width in widths) else _GROUPS,
            norm_num_groups=_GROUPS,
            resnet_time_scale_shift="scale_shift",
            num_class_embeds=shape.classes + 1,
            dropout=dropout,
        )

    def forward(self, images: Tensor, times: Tensor, classes: Tensor) -> Tensor:
        """Return the velocity of each pixel, in the shape of the images."""
        height, width = images.shape[2:]
        padding = [0, -width % self.multiple, 0, -height % self.multiple]
        if any(padding):
            images = functional.pad(images, padding, mode="replicate")
        velocity: Tensor = self.unet(images, times * 1000, class_labels=classes).sample
        return velocity[:, :, :height, :width]


class _UpBlock(nn.Module):
    """Two convolutions with a shortcut, at twice the size; each follows a norm that depends on class and noise."""

    def __init__(self, width: int, out: int, condition: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(
            [nn.GroupNorm(_GROUPS, width, affine=False), nn.GroupNorm(_GROUPS, out, affine=False)]
        )
        self.styles = nn.ModuleList([nn.Linear(condition, 2 * width), nn.Linear(condition, 2 * out)])
        self.convolutions = nn.ModuleList([nn.Conv2d(width, out, 3, padding=1), nn.Conv2d(out, out, 3, padding=1)])
        self.shortcut = nn.Conv2d(width, out, 1)

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """Return the images at twice the size."""
        features = images
        for number, (norm, style, convolution) in enumerate(
            zip(self.norms, self.styles, self.convolutions, strict=True)
        ):
            scale, shift = style(condition)[:, :, None, None].chunk(2, dim=1)
            features = functional.silu(norm(features) * (1 + scale) + shift)
            features = convolution(_double_size(features) if number == 0 else features)
        whole: Tensor = features + self.shortcut(_double_size(images))
        return whole


def _double_size(images: Tensor) -> Tensor:
    return functional.interpolate(images, scale_factor=2.0, mode="nearest")


class Decoder(nn.Module):
    """Turns noise and a class into images of -1 to 1: the generator of the GAN and the decoder of the VAE."""

    def __init__(self, shape: Shape, latent: int, width: int, most: int) -> None:
        super().__init__()
        levels = shape.levels(most)
        widths = [width * 2 ** min(levels - level, 2) for level in range(levels + 1)]
        self.shape, self.smallest, condition = shape, shape.smallest(levels), latent + width
        self.classes = nn.Embedding(shape.classes, width)
        self.first = nn.Linear(condition, widths[0] * self.smallest[0] * self.smallest[1])
        self.blocks = nn.ModuleList(_UpBlock(i, o, condition) for i, o in pairwise(widths))
        self.last = nn.Sequential(
            nn.GroupNorm(_GROUPS, widths[-1]), nn.SiLU(), nn.Conv2d(widths[-1], shape.channels, 3, padding=1), nn.Tanh()
        )

    def forward(self, noise: Tensor, classes: Tensor) -> Tensor:
        """Return images (rows, channels, height, width) made from noise (rows, latent)."""
        condition = torch.cat([noise, self.classes(classes)], dim=1)
        images = self.first(condition).unflatten(1, (-1, *self.smallest))
        for block in self.blocks:
            images = block(images, condition)
        made: Tensor = self.last(images)
        return made[:, :, : self.shape.height, : self.shape.width]


class Encoder(nn.Module):
    """Turns images and their classes into the mean and log variance of a normal distribution of the latent values."""

    def __init__(self, shape: Shape, latent: int, width: int, most: int) -> None:
        super().__init__()
        levels = shape.levels(most)
        widths = [width * 2 ** min(level, 2) for level in range(levels + 1)]
        height, across = shape.smallest(levels)
        self.classes = nn.Embedding(shape.classes, width)
        self.body = nn.Sequential(nn.Conv2d(shape.channels, width, 3, padding=1), *_down_layers(widths))
        self.last = nn.Linear(widths[-1] * height * across + width, 2 * latent)

    def forward(self, images: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and log variances, both (rows, latent)."""
        features = torch.cat([self.body(images).flatten(1), self.classes(classes)], dim=1)
        mean, spread = self.last(features).chunk(2, dim=1)
        return mean, spread


def _down_layers(widths: Sequence[int]) -> Iterator[nn.Module]:
    for width, out in pairwise(widths):
        yield from (nn.GroupNorm(_GROUPS, width), nn.SiLU(), nn.Conv2d(width, out, 3, 2, 1))
    yield from (
        nn.GroupNorm(_GROUPS, widths[-1]),
        nn.SiLU(),
        nn.Conv2d(widths[-1], widths[-1], 3, padding=1),
        nn.SiLU(),
    )


def _keep_layer(layer: nn.Module) -> nn.Module:
    return layer


class Critic(nn.Module):
    """Scores how real images look, given their classes: a projection discriminator (Miyato & Koyama 2018, 1802.05637).

    `spectral` bounds how steep its layers are (spectral normalisation, Miyato et al. 2018, arXiv:1802.05957).
    """

    def __init__(self, shape: Shape, width: int, most: int, *, spectral: bool = True) -> None:
        super().__init__()
        bound: Callable[[nn.Module], nn.Module] = spectral_norm if spectral else _keep_layer
        levels = shape.levels(most)
        widths = [width * 2 ** min(level, 2) for level in range(levels + 1)]
        steps = [bound(nn.Conv2d(shape.channels, width, 3, padding=1)), nn.LeakyReLU(0.2)]
        for narrow, wide in pairwise(widths):
            steps += [bound(nn.Conv2d(narrow, wide, 3, padding=1)), nn.LeakyReLU(0.2)]
            steps += [nn.AvgPool2d(2, ceil_mode=True)]
        steps += [bound(nn.Conv2d(widths[-1], widths[-1], 3, padding=1)), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*steps)
        self.last = bound(nn.Linear(widths[-1], 1))
        self.classes = bound(nn.Embedding(shape.classes, widths[-1]))

    def forward(self, images: Tensor, classes: Tensor) -> Tensor:
        """Return one number for each image: the higher, the more real."""
        seen = self.body(images).mean(dim=(2, 3)) * 4
        score: Tensor = self.last(seen)[:, 0] + (seen * self.classes(classes)).sum(1)
        return score
