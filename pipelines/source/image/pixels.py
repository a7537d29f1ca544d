"""Examines single images of a source, and converts them to one mode, size and format.

This module handles one image at a time, in the formats of `READ`, and knows no classes, boxes or files.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from generators.image.codec import Encoding, encode
from schemas.spec import Images

Image.MAX_IMAGE_PIXELS = None  # `examine` has a limit of its own, which says what to do
KEPT = ("PNG", "JPEG", "WEBP")
"""Formats whose files may be published unchanged."""
READ = (*KEPT, "GIF", "BMP", "TIFF", "PPM", "JPEG2000")
"""Formats that are read, whatever a file's extension. Pillow's other formats are not safe: EPS starts Ghostscript, and
in some the image has another size than the header says."""
MAX_FILE_BYTES = 256 << 20
_ORIENTATION = 0x0112  # the EXIF tag
_WIDTH, _HEIGHT = 256, 257  # tags of a TIFF
_TURNED_BY_PILLOW = "TIFF"
"""The format whose images Pillow turns upright when it loads them."""
_LAST_UNSWAPPED = 4  # EXIF orientations above this swap width and height
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels),
}
"""The same as `_TURNS`, for arrays of shape (height, width, …)."""
_MAY_BE_TURNED = (b"eXIf", b"Raw profile type", b"xmp")
"""A PNG with an orientation holds one of these. Without them Pillow need not search the file behind its pixels."""
DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
"""Pillow's modes of grey images of more than 8 bits."""
_BYTES = (64, 255)
"""Float images whose largest value lies between these are taken for 8-bit images stored as floats."""
_DEPTHS = (8, 10, 12, 14, 16)
"""Bit depths of cameras and scanners; images are taken to have the smallest that holds all their values."""
_SEEN_THROUGH = ("RGBA", "LA", "PA", "La", "RGBa")
Mode = Literal["RGB", "L"]


@dataclass(frozen=True)
class Look:
    """The properties of one image; `size` (width, height) is that of the upright image.

    `levels` are the smallest and the largest value of a grey image of more than 8 bits. `upper` is the largest upper
    byte of a colour image of 16 bits a channel, of which Pillow reads only that byte. `turned` says that the EXIF
    orientation turns or mirrors the image, `swapped` that it swaps width and height.
    """

    format: str
    mode: str
    size: tuple[int, int]
    turned: bool = False
    swapped: bool = False
    animated: bool = False
    levels: tuple[float, float] | None = None
    upper: int | None = None

    @property
    def unclear(self) -> bool:
        """Whether the image is turned but keeps its width and height, so that its size does not show the turn."""
        return self.turned and (not self.swapped or self.size[0] == self.size[1])

    @property
    def deep(self) -> bool:
        """Whether it is a grey image of more than 8 bits."""
        return self.mode in DEEP

    def fits(self, mode: Mode, size: tuple[int, int] | None) -> bool:
        """Whether the image already has the mode and size, and a form that `bring` need not change."""
        sound = self.format in KEPT and not self.turned and not self.animated
        return sound and self.mode == mode and size in (None, self.size)


@dataclass(frozen=True)
class Frame:
    """The `size` (width, height) of an image as stored in its file, and its EXIF `orientation`, 1 to 8."""

    size: tuple[int, int]
    orientation: int = 1

    @property
    def turned(self) -> bool:
        """Whether the orientation turns or mirrors the image."""
        return self.orientation in _TURNS

    @property
    def upright(self) -> tuple[int, int]:
        """The width and height of the upright image."""
        return (self.size[1], self.size[0]) if self.orientation > _LAST_UNSWAPPED else self.size


def frame(data: bytes | None, max_pixels: int) -> Frame | None:
    """Return the stored size and orientation from the image's header; None if the image cannot be read."""
    if not data or len(data) > MAX_FILE_BYTES:
        return None
    try:
        with _open(data) as image:
            if image.width * image.height > max_pixels:
                return None
            plain = image.format == "PNG" and not any(word in data for word in _MAY_BE_TURNED)
            orientation = 1 if plain else _orientation(image)
            return Frame(_stored_size(image), orientation if orientation in _TURNS else 1)
    except Exception:  # noqa: BLE001 (as in `examine`, which says what is wrong)
        return None


def _stored_size(image: ImageFile.ImageFile) -> tuple[int, int]:
    if image.format == _TURNED_BY_PILLOW:
        tags = image.tag_v2  # type: ignore[attr-defined]
        return int(tags[_WIDTH]), int(tags[_HEIGHT])
    return image.size


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return the pixels, an array of shape (height, width, …), turned upright from an EXIF orientation."""
    return _UPRIGHT[orientation](pixels) if orientation in _UPRIGHT else pixels


def examine(data: bytes | None, rules: Images) -> Look | str:
    """Return the image's properties, or the reason why it cannot be read.

    The whole image is decoded, a JPEG at an eighth of its size.
    """
    if data is None:
        return "missing"
    if not data:
        return "empty file"
    if len(data) > MAX_FILE_BYTES:
        return f"more than {MAX_FILE_BYTES >> 20} MB"
    try:
        with _open(data) as image:
            if image.width * image.height > rules.max_pixels:
                return f"{image.width:,} x {image.height:,} pixels, more than images.max_pixels {rules.max_pixels:,}"
            if rules.size is None and max(image.size) > _longest_side(rules):
                return f"{image.width:,} x {image.height:,} pixels, and no side may be over {_longest_side(rules):,}"
            wide = _is_wide(image)
            look = _look(image)
            image.draft(image.mode, (1, 1))
            image.load()
            if look.format == _TURNED_BY_PILLOW:
                look = replace(look, size=image.size)
            if look.deep:
                return replace(look, levels=_extremes(np.asarray(image)))
            return replace(look, upper=int(np.asarray(image.convert("RGB")).max())) if wide else look
    except UnidentifiedImageError:
        return "not an image of a known format"
    except Exception as error:  # noqa: BLE001 (for broken files Pillow may raise nearly anything)
        return _told(error)


def _longest_side(rules: Images) -> int:
    """Return the longest side in pixels that can be written: 2**14 - 1 for WebP, else the limit of JPEG."""
    return 16_383 if rules.format == "webp" else 65_500


def _open(data: bytes) -> ImageFile.ImageFile:
    return Image.open(io.BytesIO(data), formats=READ)


def _told(error: Exception) -> str:
    said = " ".join(str(error).split())[:100] or type(error).__name__
    return "cut short" if "truncated" in said or "Truncated" in said else f"broken ({said})"


def _look(image: ImageFile.ImageFile) -> Look:
    orientation = _orientation(image)
    width, height = image.size
    animated = bool(getattr(image, "is_animated", False))  # not the number of frames: a file may claim 100,000
    return Look(
        format=str(image.format),
        mode=_mode_of(image),
        size=(height, width) if orientation in range(5, 9) else (width, height),
        turned=orientation in _TURNS,
        swapped=orientation in range(5, 9),
        animated=animated and image.format != "MPO",  # an MPO is a photograph with a preview
    )


def _is_wide(image: ImageFile.ImageFile) -> bool:
    """Whether a colour image has 16 bits a channel, of which Pillow reads the upper 8. Call it before `load`."""
    raw = [tile.args[0] if isinstance(tile.args, tuple) and tile.args else tile.args for tile in image.tile]
    return image.mode not in DEEP and any(isinstance(name, str) and ";16" in name for name in raw)


def _extremes(values: NDArray[Any]) -> tuple[float, float]:
    sound = values[np.isfinite(values)]
    return (float(sound.min()), float(sound.max())) if sound.size else (0.0, 0.0)


def levels_of(low: float, high: float, *, whole: bool) -> tuple[float, float]:
    """Return the values of deep grey images that become black and white; all values lie from `low` to `high`.

    Fractions from 0 to 1 or to 255, and `whole` numbers of a usual bit depth, keep that scale; for others, `low`
    becomes black and `high` white.
    """
    depth = next((bits for bits in _DEPTHS if high < 2**bits), None)
    if low < 0 or not depth:
        return low, high
    if whole or _BYTES[0] <= high <= _BYTES[1]:
        return 0.0, 2.0**depth - 1
    return (0.0, 1.0) if high <= 1 else (low, high)


def _orientation(image: Image.Image) -> int:
    found = image.getexif().get(_ORIENTATION, 1)
    return found if isinstance(found, int) else 1


def _mode_of(image: Image.Image) -> str:
    """Return Pillow's mode, or `PA` for a palette image with a transparent colour."""
    return "PA" if image.mode == "P" and "transparency" in image.info else image.mode


def bring(data: bytes, look: Look, mode: Mode, rules: Images, levels: tuple[float, float] = (0.0, 65_535.0)) -> bytes:
    """Return the image upright, in the mode and in the size of `rules`; it is encoded anew only if it has to change.

    In grey images of more than 8 bits, the first of `levels` becomes black and the second white.
    """
    if look.fits(mode, rules.size):
        return data
    with _open(data) as opened:
        opened.load()  # Pillow turns a TIFF here, and then reports no orientation
        turn = _TURNS.get(_orientation(opened))
        flat = _flat(opened, levels)
    image = flat if turn is None else flat.transpose(turn)
    pixels = np.asarray(resize(image.convert(mode), rules))
    shaped = pixels[..., None] if pixels.ndim == 2 else pixels
    return encode(shaped, Encoding(rules.format or "png", rules.quality))


def _flat(image: Image.Image, levels: tuple[float, float]) -> Image.Image:
    """Return an opaque image of 8 bits a channel: transparency becomes white, deep images are scaled by `levels`."""
    image.load()
    if image.mode in DEEP:
        return _shallow(image, *levels)
    if _mode_of(image) in _SEEN_THROUGH:
        coloured = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), coloured).convert("RGB")
    return image.convert("L" if image.mode == "1" else "RGB") if image.mode not in ("L", "RGB") else image.copy()


def _shallow(image: Image.Image, low: float, high: float) -> Image.Image:
    """Return a deep grey image in 8 bits; values that are not finite become black or white."""
    values = np.nan_to_num(np.asarray(image).astype(np.float64), nan=low)
    with np.errstate(over="ignore"):
        scaled = (values - low) * 255 / ((high - low) or 1.0)
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8), "L")


def resize(image: Image.Image, rules: Images) -> Image.Image:
    """Return the image resized to `rules.size`, by the method `rules.fit`."""
    if rules.size is None or rules.size == image.size:
        return image
    size = rules.size
    if rules.fit == "crop":
        return ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    if rules.fit == "pad":
        return ImageOps.pad(image, size, Image.Resampling.LANCZOS)
    return image.resize(size, Image.Resampling.LANCZOS)


def geometry(found: tuple[int, int], rules: Images) -> tuple[float, float, float, float]:
    """Return how `resize` moves points of an image of size `found`, as factors of x and y and offsets of x and y."""
    if rules.size is None or rules.size == found:
        return 1.0, 1.0, 0.0, 0.0
    across, down = rules.size[0] / found[0], rules.size[1] / found[1]
    if rules.fit == "stretch":
        return across, down, 0.0, 0.0
    scale = min(across, down)
    inner = round(found[0] * scale), round(found[1] * scale)
    left, top = round((rules.size[0] - inner[0]) * 0.5), round((rules.size[1] - inner[1]) * 0.5)
    return inner[0] / found[0], inner[1] / found[1], float(left), float(top)
