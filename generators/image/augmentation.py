"""Random changes of images while a network learns from them. Knows no network; randomness is torch's global state.

`jitter` changes what is learnt: made images are moved in the same way. `augment`, applied to real and made images in a
GAN, does not (DiffAugment, Zhao et al. 2020, arXiv:2006.10738).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Jitter:
    """The greatest random moves of an image: degrees, and shares of its side; `flip` mirrors half of the images.

    >>> Jitter(rotate=15).is_identity, Jitter().is_identity
    (False, True)
    """

    rotate: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    flip: bool = False

    @property
    def is_identity(self) -> bool:
        """Whether images stay as they are."""
        return not (self.rotate or self.shift or self.zoom or self.flip)


def jitter(images: Tensor, how: Jitter) -> Tensor:
    """Return the images (rows, channels, height, width), randomly turned, moved and zoomed; edges are repeated."""
    if how.is_identity:
        return images
    moves = _draw_moves(len(images), images.shape[2] / images.shape[3], how).to(images.device)
    grid = functional.affine_grid(moves, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _draw_moves(rows: int, tall: float, how: Jitter) -> Tensor:
    """Return random affine matrices (rows, 2, 3) for `affine_grid`; `tall` is the height over the width."""
    turn, zoom, across, down = (torch.rand(4, rows) * 2 - 1).unbind()
    angle = turn * how.rotate * math.pi / 180
    scale = (1 + how.zoom) ** zoom
    side = torch.where(torch.rand(rows) < 0.5, -1.0, 1.0) if how.flip else torch.ones(rows)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    first = torch.stack([cos * side, -sin * tall, across * 2 * how.shift], dim=1)
    second = torch.stack([sin / tall * side, cos, down * 2 * how.shift], dim=1)
    return torch.stack([first, second], dim=1)


def augment(images: Tensor, strength: float) -> Tensor:
    """Return the images randomly brightened, shifted, and with a rectangle cut out; gradients pass through.

    `strength` scales all three: 1 is the paper's (brightness by half, shifts by an eighth, squares of half a side).
    """
    if not strength:
        return images
    rows, _, height, width = images.shape
    images = images + ((torch.rand(rows, 1, 1, 1) - 0.5) * strength).to(images.device)
    images = _shift(images, round(height * strength / 8), round(width * strength / 8))
    return images * _draw_holes(rows, height, width, strength / 2).to(images.device)


def _shift(images: Tensor, most_down: int, most_across: int) -> Tensor:
    """Return each image shifted by whole pixels; uncovered pixels are black."""
    rows, _, height, width = images.shape
    down = torch.randint(0, 2 * most_down + 1, (rows, 1, 1)) + torch.arange(height)[None, :, None]
    across = torch.randint(0, 2 * most_across + 1, (rows, 1, 1)) + torch.arange(width)[None, None, :]
    padded = functional.pad(images, [most_across, most_across, most_down, most_down], value=-1.0)
    indices = (torch.arange(rows)[:, None, None].to(images.device), down.to(images.device), across.to(images.device))
    return padded.permute(0, 2, 3, 1)[indices].permute(0, 3, 1, 2)


def _draw_holes(rows: int, height: int, width: int, size: float) -> Tensor:
    """Return masks (rows, 1, height, width) that are 0 in a random rectangle of `size` of each side, else 1."""
    tall, wide = max(1, round(height * size)), max(1, round(width * size))
    top = torch.randint(1 - tall, height, (rows, 1, 1, 1))
    left = torch.randint(1 - wide, width, (rows, 1, 1, 1))
    down, across = torch.arange(height)[None, None, :, None], torch.arange(width)[None, None, None, :]
    inside = (down >= top) & (down < top + tall) & (across >= left) & (across < left + wide)
    return (~inside).float()
