"""Sound transforms for images of a class where a spec declares none. Knows no table."""

from typing import Any, NamedTuple

from generators.image.codec import Pixels
from generators.image.transforms import library

_TINY, _SMALL = 16, 64  # pixels of the shorter side


class Kind(NamedTuple):
    """What the default transforms depend on: `size` is 0, 1 or 2 for sides of 16 pixels, of 64, and larger ones."""

    size: int
    grey: bool
    marked: bool


def kind_of(pixels: Pixels, *, marked: bool) -> Kind:
    """Return the kind of an image; `marked` says that it belongs to a dataset with objects."""
    side = min(pixels.shape[:2])
    return Kind((side > _TINY) + (side > _SMALL), pixels.shape[2] == 1, marked)


def default_transforms(kind: Kind, *, flip: bool) -> list[Any]:
    """Return transforms that change every image, and keep its size.

    Of images with objects the whole frame stays in view, and boxes stay upright, so that each still fits its object.
    Grey ones keep to changes of light. Without `flip` left and right stay where they are.
    """
    mirrored = [library().HorizontalFlip(p=0.5)] if flip else []
    moved = _shrunk() if kind.marked else _moved(kind.size)
    return [*mirrored, *moved, *_lit(kind.grey), *(_blurred() if kind.size == 2 else [])]


def _moved(size: int) -> list[Any]:
    """Return turns, shifts, scalings and shears; what comes into view mirrors the image's edge."""
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


def _shrunk() -> list[Any]:
    """Return a shrinking into the frame, by another share at each side; the edge is drawn out."""
    import cv2

    return [library().CropAndPad(percent=(0.0, 0.06), border_mode=cv2.BORDER_REPLICATE, p=1)]


def _lit(grey: bool) -> list[Any]:
    a = library()
    light = a.RandomBrightnessContrast(brightness_limit=0.15, contrast_limit=0.15, p=0.8)
    colour = a.HueSaturationValue(hue_shift_limit=8, sat_shift_limit=20, val_shift_limit=0, p=0.5)
    return [light] if grey else [light, colour]


def _blurred() -> list[Any]:
    a = library()
    return [a.OneOf([a.GaussNoise(std_range=(0.01, 0.04), p=1), a.GaussianBlur(sigma_limit=(0.3, 1.0), p=1)], p=0.2)]
