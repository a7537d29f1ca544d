"""Decodes images to pixels and encodes them to bytes: the only decoder and encoder. Knows no table.

Pixels are uint8 of shape (height, width, channels), RGB or one grey channel. Everything else that a source may hold
(other modes, rotated, animated or broken images) is repaired or refused where it is read; here every image is sound.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.errors import MakeweightError

Pixels = NDArray[np.uint8]

_PNG_LEVEL = 1  # of 9: small images hardly shrink beyond it, and it costs a third of the time


@dataclass(frozen=True)
class Encoding:
    """How pixels become bytes: `format` is png, jpeg or webp, `quality` (1 to 100) is for the last two.

    >>> Encoding("jpeg", 90).metadata()
    {'format': 'jpeg', 'quality': '90'}
    """

    format: str = "png"
    quality: int = 95

    @classmethod
    def of(cls, metadata: Mapping[bytes, bytes] | None) -> "Encoding":
        """Return the encoding that an Arrow field's metadata names, or PNG where they name none."""
        known = metadata or {}
        return cls(known.get(b"format", b"png").decode(), int(known.get(b"quality", b"95")))

    def metadata(self) -> dict[str, str]:
        """Return the metadata that `of` reads."""
        return {"format": self.format, "quality": str(self.quality)}


def decode(data: bytes) -> Pixels:
    """Return the pixels of an encoded image, one channel if it is grey; raises MakeweightError if it is no image.

    >>> pixels = np.zeros((2, 3, 1), np.uint8)
    >>> decode(encode(pixels, Encoding())).shape
    (2, 3, 1)
    """
    import cv2

    flags = cv2.IMREAD_UNCHANGED if _is_grey(data) else cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    read: Any = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    if read is None:
        return _decode_damaged(data)
    pixels: Pixels = read[..., None] if read.ndim == 2 else read
    return pixels


def _decode_damaged(data: bytes) -> Pixels:
    """Return the pixels of an image that Pillow reads and OpenCV does not, such as a PNG with an oversized chunk."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            pixels = np.asarray(image.convert("L" if _is_grey(data) else "RGB"))
    except Exception as error:  # of broken bytes Pillow may raise nearly anything
        problem = f"{len(data):,} bytes are no image that can be decoded; read the source anew"
        raise MakeweightError(problem) from error
    return pixels[..., None] if pixels.ndim == 2 else pixels


def encode(pixels: Pixels, encoding: Encoding) -> bytes:
    """Return the encoded image; the same pixels give the same bytes. Raises MakeweightError for too long a side."""
    import cv2

    options = {
        "png": [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL],
        "jpeg": [cv2.IMWRITE_JPEG_QUALITY, encoding.quality],
        "webp": [cv2.IMWRITE_WEBP_QUALITY, encoding.quality],
    }
    ordered = pixels[..., ::-1] if pixels.shape[2] == 3 else pixels  # the library writes BGR
    done, data = cv2.imencode(f".{encoding.format}", np.ascontiguousarray(ordered), options[encoding.format])
    if not done:
        height, width = pixels.shape[:2]
        raise MakeweightError(f"an image of {width:,} x {height:,} pixels cannot be written as {encoding.format}")
    return data.tobytes()


def _is_grey(data: bytes) -> bool:
    """Whether the header of a PNG, JPEG or WebP says that it has one channel."""
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return data[25:26] == b"\x00"
    return data[:2] == b"\xff\xd8" and _jpeg_channels(data) == 1


def _jpeg_channels(data: bytes) -> int:
    """Return the number of components in a JPEG's frame header (ITU-T T.81, B.2.2), or 0 where there is none."""
    offset = 2
    while offset + 10 <= len(data) and data[offset] == 0xFF:
        marker, size = data[offset + 1], int.from_bytes(data[offset + 2 : offset + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return data[offset + 9]
        offset += 1 if marker == 0xFF else 2 + size
    return 0
