"""The pixels of image columns, decoded once for all that read them. Knows no validator."""

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from generators.image.codec import Pixels, decode
from schemas.errors import MakeweightError

_ROOM = 1 << 26  # bytes of pixels that are kept: a chunk of 64 images of 640x480
_NULL = 0xA4093822299F31D0
_BROKEN = 0x082EFA98EC4E6C89
_STAND_IN: Pixels = np.zeros((1, 1, 1), np.uint8)


def decode_column(column: pa.ChunkedArray) -> list[Pixels | None]:
    """Return each image of a column (`schemas.arrow.IMAGE`) as read-only pixels, or None where it does not decode.

    Validators read the same images one after the other: the latest ones are not decoded again.
    """
    return [None if data is None else _RECENT.pixels(data) for data in _encoded_images(column)]


def sound_pixels(column: pa.ChunkedArray) -> list[Pixels]:
    """Return each image's pixels; an image that does not decode becomes one black pixel.

    Only the validator `image` refuses it, so the others need some pixels to go on.
    """
    return [_STAND_IN if pixels is None else pixels for pixels in decode_column(column)]


def pixel_hashes(column: pa.ChunkedArray) -> NDArray[np.uint64]:
    """Return a 64-bit hash (XXH3) of each image's shape and pixels, whatever its encoding.

    An image that does not decode is hashed by its bytes; a null has one fixed hash.
    """
    data = _encoded_images(column)
    hashes = [_hash_image(encoded, pixels) for encoded, pixels in zip(data, decode_column(column), strict=True)]
    return np.array(hashes, np.uint64)


def row_pixel_hashes(rows: pa.Table) -> NDArray[np.uint64]:
    """Return `pixel_hashes` of the first column, which holds the image; see `Modality.hashes`."""
    return pixel_hashes(rows.column(0))


def resize_images(images: Sequence[Pixels], side: int, *, grey: bool = False) -> NDArray[np.uint8]:
    """Return all images resized to `side` x `side` pixels, shape (images, side, side, 1 if grey else 3).

    Smaller images are enlarged (bilinear), larger ones averaged over areas. Grey images get three equal channels, if
    needed; coloured ones become grey by their luma (ITU-R BT.601).
    """
    import cv2

    stack = np.empty((len(images), side, side, 1 if grey else 3), np.uint8)
    for row, image in enumerate(images):
        if grey and image.shape[2] == 3:
            image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if image.shape[:2] != (side, side):
            interpolation = cv2.INTER_AREA if min(image.shape[:2]) > side else cv2.INTER_LINEAR
            image = cv2.resize(image, (side, side), interpolation=interpolation)
        stack[row] = image.reshape(side, side, -1)
    return stack


def _encoded_images(column: pa.ChunkedArray) -> list[bytes | None]:
    """Return the encoded images; None where the image, or its bytes, are missing."""
    return [image and image["bytes"] for image in column.to_pylist()]


def _hash_image(data: bytes | None, pixels: Pixels | None) -> int:
    if data is None:
        return _NULL
    if pixels is None:
        return int(xxhash.xxh3_64_intdigest(data, _BROKEN))
    state = xxhash.xxh3_64(np.array(pixels.shape, "<i8").tobytes())
    state.update(pixels.tobytes())
    return int(state.intdigest())


class _Recent(threading.local):
    """The latest decoded images of this thread, by the hash of their bytes."""

    def __init__(self) -> None:
        self._images: OrderedDict[bytes, Pixels | None] = OrderedDict()
        self._size = 0

    def pixels(self, data: bytes) -> Pixels | None:
        key = xxhash.xxh3_128_digest(data)
        if key in self._images:
            self._images.move_to_end(key)
            return self._images[key]
        pixels = self._images[key] = _decode_or_none(data)
        self._size += _size(pixels)
        while self._size > _ROOM:
            self._size -= _size(self._images.popitem(last=False)[1])
        return pixels


_RECENT = _Recent()


def _size(pixels: Pixels | None) -> int:
    return 256 + (0 if pixels is None else pixels.nbytes)  # some is spent on the key and the entry


def _decode_or_none(data: bytes) -> Pixels | None:
    try:
        pixels = decode(data)
    except MakeweightError:
        return None
    pixels.flags.writeable = False  # it is handed out again
    return pixels
