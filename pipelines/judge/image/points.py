"""Turns images into points, by which the privacy gate compares them."""

import numpy as np
import pyarrow as pa

from pipelines.judge.privacy.vectors import Encode, Points
from pipelines.validate.image.pixels import resize_images, sound_pixels
from schemas.plan import Plan

_SIDE = 16  # pixels
_AT_ONCE = 64  # images decoded at a time


def points(_real: pa.Table, plan: Plan, _seed: int) -> Encode:
    """Return a function that turns images into points: small grey images.

    The points ignore noise and changes at the edges, but a crop changes them.
    """
    name = str(plan.profile.image)

    def encode(table: pa.Table) -> Points:
        parts = [
            resize_images(sound_pixels(table[name].slice(start, _AT_ONCE)), _SIDE, grey=True)
            for start in range(0, table.num_rows, _AT_ONCE)
        ]
        grey = np.concatenate([np.zeros((0, _SIDE, _SIDE, 1), np.uint8), *parts])
        return (grey.reshape(len(grey), _SIDE * _SIDE) / np.float32(255)).astype(np.float32)

    return encode
