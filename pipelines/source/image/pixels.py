"""Single images of a source: whether they can be read, what they are like, and how they are brought into one form.

Knows one image at a time, in the formats of `READ`; nothing of classes, boxes or files.
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
"""Formats whose files may stay as they are."""
READ = (*KEPT, "GIF", "BMP", "TIFF", "PPM", "JPEG2000")
"""Formats that are read, whatever a file is called. Of Pillow's others one starts a program (EPS, Ghostscript), and
some hold an image of another size than their header says."""
MAX_FILE_BYTES = 256 << 20
_ORIENTATION = 0x0112  # the EXIF tag
_WIDTH, _HEIGHT = 256, 257  # tags of a TIFF
_TURNED_BY_PILLOW = "TIFF"
"""The format whose images Pillow turns by itself when it loads them."""
_LAST_UNSWAPPED = 4  # from the next orientation on, width and height change places
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
"""What `_TURNS` do, for arrays (height, width, …)."""
_MAY_BE_TURNED = (b"eXIf", b"Raw profile type", b"xmp")
"""One of these a PNG holds whose metadata say how it is turned: Pillow looks for that behind all of its pixels."""
DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
"""Pillow's modes of grey images of more than 8 bits."""
_BYTES = (64, 255)
"""Fractions that end between these are taken for images of 8 bits that were written as fractions."""
_DEPTHS = (8, 10, 12, 14, 16)
"""Bits that cameras and scanners have: whole numbers are taken to be of the fewest that hold them all."""
_SEEN_THROUGH = ("RGBA", "LA", "PA", "La", "RGBa")
Mode = Literal["RGB", "L"]


@dataclass(frozen=True)
class Look:
    """What one image is like: its `size` (width, height) is that of the upright image.

    `levels` are the least and the largest value of a grey image of more than 8 bits. `upper` is the largest upper byte
    of a colour image of 16 bits a channel; Pillow reads no more of it. Of one that is `turned`, `swapped` says that its
    width and height change places.
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
        """Whether it is turned, and has the same width and height before."""
        return self.turned and (not self.swapped or self.size[0] == self.size[1])

    @property
    def deep(self) -> bool:
        """Whether it has more than 8 bits a channel."""
        return self.mode in DEEP

    def fits(self, mode: Mode, size: tuple[int, int] | None) -> bool:
        """Whether it is what `bring` would make of it already."""
        sound = self.format in KEPT and not self.turned and not self.animated
        return sound and self.mode == mode and size in (None, self.size)


@dataclass(frozen=True)
class Frame:
    """How an image lies in its file: its `size` there (width, height), and its EXIF orientation, 1 to 8."""

    size: tuple[int, int]
    orientation: int = 1

    @property
    def turned(self) -> bool:
        """Whether it is to be turned or mirrored."""
        return self.orientation in _TURNS

    @property
    def upright(self) -> tuple[int, int]:
        """Its width and height once it is turned."""
        return (self.size[1], self.size[0]) if self.orientation > _LAST_UNSWAPPED else self.size


def frame(data: bytes | None, max_pixels: int) -> Frame | None:
    """Return how the image lies in its file, by its header alone; None for what `examine` calls unreadable."""
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
    """Return an array (height, width, …) turned as an image of that EXIF orientation is."""
    return _UPRIGHT[orientation](pixels) if orientation in _UPRIGHT else pixels


def examine(data: bytes | None, rules: Images) -> Look | str:
    """Return what the image is like, or why it cannot be read; it is decoded whole, JPEG in an eighth of its size."""
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
    except Exception as error:  # noqa: BLE001 (of bytes from outside Pillow may raise nearly anything)
        return _told(error)


def _longest_side(rules: Images) -> int:
    """Return the longest side in pixels that can be written: of WebP 2**14 - 1, of the others what JPEG can hold."""
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
        animated=animated and image.format != "MPO",  # a photograph with a preview of its own
    )


def _is_wide(image: ImageFile.ImageFile) -> bool:
    """Whether it has 16 bits a channel, of which Pillow reads the upper 8; to be asked before its pixels are loaded."""
    raw = [tile.args[0] if isinstance(tile.args, tuple) and tile.args else tile.args for tile in image.tile]
    return image.mode not in DEEP and any(isinstance(name, str) and ";16" in name for name in raw)


def _extremes(values: NDArray[Any]) -> tuple[float, float]:
    sound = values[np.isfinite(values)]
    return (float(sound.min()), float(sound.max())) if sound.size else (0.0, 0.0)


def levels_of(low: float, high: float, *, whole: bool) -> tuple[float, float]:
    """Return which values of deep grey images become black and white, where all are between `low` and `high`.

    Fractions from 0 to 1, or to 255, and `whole` numbers of a usual depth keep their scale; of others it is that of
    what they hold.
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
    """Return Pillow's mode, or `PA` for a palette with a transparent colour."""
    return "PA" if image.mode == "P" and "transparency" in image.info else image.mode


def bring(data: bytes, look: Look, mode: Mode, rules: Images, levels: tuple[float, float] = (0.0, 65_535.0)) -> bytes:
    """Return the image upright, in that mode and size: as it is where it is so already, else encoded anew.

    Of grey images of more than 8 bits, the first of `levels` becomes black and the second white.
    """
    if look.fits(mode, rules.size):
        return data
    with _open(data) as opened:
        opened.load()  # which turns a TIFF, and then says no more how it lay
        turn = _TURNS.get(_orientation(opened))
        flat = _flat(opened, levels)
    image = flat if turn is None else flat.transpose(turn)
    pixels = np.asarray(resize(image.convert(mode), rules))
    shaped = pixels[..., None] if pixels.ndim == 2 else pixels
    return encode(shaped, Encoding(rules.format or "png", rules.quality))


def _flat(image: Image.Image, levels: tuple[float, float]) -> Image.Image:
    """Return an image of 8 bits a channel that cannot be seen through: on white, and deep ones scaled by `levels`."""
    image.load()
    if image.mode in DEEP:
        return _shallow(image, *levels)
    if _mode_of(image) in _SEEN_THROUGH:
        coloured = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), coloured).convert("RGB")
    return image.convert("L" if image.mode == "1" else "RGB") if image.mode not in ("L", "RGB") else image.copy()


def _shallow(image: Image.Image, low: float, high: float) -> Image.Image:
    """Return a deep grey image in 8 bits; what is not finite is black or white."""
    values = np.nan_to_num(np.asarray(image).astype(np.float64), nan=low)
    with np.errstate(over="ignore"):
        scaled = (values - low) * 255 / ((high - low) or 1.0)
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8), "L")


def resize(image: Image.Image, rules: Images) -> Image.Image:
    """Return the image in `rules.size`, fitted as `rules.fit` says."""
    if rules.size is None or rules.size == image.size:
        return image
    size = rules.size
    if rules.fit == "crop":
        return ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    if rules.fit == "pad":
        return ImageOps.pad(image, size, Image.Resampling.LANCZOS)
    return image.resize(size, Image.Resampling.LANCZOS)


def geometry(found: tuple[int, int], rules: Images) -> tuple[float, float, float, float]:
    """Return how `resize` moves a point: x and y are multiplied by the first two, then the last two are added."""
    if rules.size is None or rules.size == found:
        return 1.0, 1.0, 0.0, 0.0
    across, down = rules.size[0] / found[0], rules.size[1] / found[1]
    if rules.fit == "stretch":
        return across, down, 0.0, 0.0
    scale = min(across, down)
    inner = round(found[0] * scale), round(found[1] * scale)
    left, top = round((rules.size[0] - inner[0]) * 0.5), round((rules.size[1] - inner[1]) * 0.5)
    return inner[0] / found[0], inner[1] / found[1], float(left), float(top)
