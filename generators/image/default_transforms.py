"""The default transforms for images, where a spec declares none. Knows no table."""

from typing import Any, NamedTuple

from generators.image.codec import Pixels
from generators.image.transforms import library

_TINY, _SMALL = 16, 64  # pixels of the shorter side


class Kind(NamedTuple):
    """The properties of an image that choose its default transforms.

    `size` is 0 for a shorter side of up to 16 pixels, 1 up to 64, else 2. `marked` says that the dataset has objects.
    """

    size: int
    grey: bool
    marked: bool


def kind_of(pixels: Pixels, *, marked: bool) -> Kind:
    """Return the kind of an image; `marked` says that it belongs to a dataset with objects."""
    side = min(pixels.shape[:2])
    return Kind((side > _TINY) + (side > _SMALL), pixels.shape[2] == 1, marked)


def default_transforms(kind: Kind, *, flip: bool) -> list[Any]:
    """Return transforms that change every image and keep its size.

    Images with objects stay whole in view and upright, so that each box still fits its object. Grey images keep their
    colour. Without `flip` left and right stay where they are.
    """
    mirrored = [library().HorizontalFlip(p=0.5)] if flip else []
    moved = _shrinking_transforms() if kind.marked else _moving_transforms(kind.size)
    return [*mirrored, *moved, *_light_transforms(kind.grey), *(_blurring_transforms() if kind.size == 2 else [])]


def _moving_transforms(size: int) -> list[Any]:
    """Return rotations, shifts, scalings and shears; pixels that come into view mirror the image's edge."""
    import cv2

    a, reflect = library(), cv2.BORDER_REFLECT_101
    if size == 0:
        return [a.Affine(scale=(0.92, 1.08), translate_px=(-1, 1), rotate=(-8, 8), border_mode=reflect, p=1)]
    if size == 1:
        shift = (-0.08, 0.08)
        return [a.Affine(scale=(0.9, 1.1), translate_percent=shift, rotate=(-12, 12), border_mode=reflect, p=1)]
    moved = a.Affine(
        scale=(0.85, 1.2),
        translate_percent=(-0.1, 0.1),
        rotate=(-15, 15),
        shear=(-6, 6),
        border_mode=reflect,
        p=1,
    )
    return [moved, a.Perspective(scale=(0.02, 0.08), border_mode=reflect, p=0.3)]


def _shrinking_transforms() -> list[Any]:
    """Return a shrinking into the frame, by another share at each side; the edge pixels are repeated."""
    import cv2

    return [library().CropAndPad(percent=(0.0, 0.06), border_mode=cv2.BORDER_REPLICATE, p=1)]


def _light_transforms(grey: bool) -> list[Any]:
    a = library()
    light = a.RandomBrightnessContrast(brightness_limit=0.15, contrast_limit=0.15, p=0.8)
    colour = a.HueSaturationValue(hue_shift_limit=8, sat_shift_limit=20, val_shift_limit=0, p=0.5)
    return [light] if grey else [light, colour]


def _blurring_transforms() -> list[Any]:
    a = library()
    return [a.OneOf([a.GaussNoise(std_range=(0.01, 0.04), p=1), a.GaussianBlur(sigma_limit=(0.3, 1.0), p=1)], p=0.2)]
