"""Shrinks images for a page, as data URIs. Knows pixels, nothing of tables, classes or pages."""

import base64
from dataclasses import dataclass
from typing import Any

from generators.image.codec import Encoding, Pixels, encode

TINY = 32
"""Images with no side longer than this, in pixels, are shown enlarged and keep every pixel as it is."""
_QUALITIES = (80, 60, 40, 20)


@dataclass(frozen=True)
class Thumbnail:
    """A small image: `width` and `height` are its own, in pixels; a tiny one is enlarged without smoothing."""

    uri: str
    width: int
    height: int
    tiny: bool


def thumbnail(pixels: Pixels, side: int, most_bytes: int) -> Thumbnail:
    """Return the image with its longest side reduced to `side`, in at most about `most_bytes` bytes.

    Tiny images are PNG. Others are WebP of the best quality that fits; noise, which never fits, gets the lowest.
    """
    small = shrink(pixels, side)
    height, width = small.shape[:2]
    if max(height, width) <= TINY:
        return Thumbnail(_uri("png", encode(small, Encoding("png"))), width, height, True)
    for quality in _QUALITIES:
        data = encode(small, Encoding("webp", quality))
        if len(data) <= most_bytes:
            break
    return Thumbnail(_uri("webp", data), width, height, False)


def shrink(pixels: Pixels, side: int) -> Pixels:
    """Return the image with no side longer than `side`, by averaging pixels."""
    height, width = pixels.shape[:2]
    longest = max(height, width)
    if longest <= side:
        return pixels
    return resize(pixels, max(1, round(width * side / longest)), max(1, round(height * side / longest)))


def resize(pixels: Pixels, width: int, height: int) -> Pixels:
    """Return the image in that size; areas are averaged when it gets smaller."""
    import cv2

    small: Any = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    resized: Pixels = small[..., None] if small.ndim == 2 else small
    return resized


def _uri(form: str, data: bytes) -> str:
    return f"data:image/{form};base64,{base64.b64encode(data).decode('ascii')}"
