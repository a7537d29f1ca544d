"""Runs albumentations on one image at a time, its random state put anew for each. Knows no table."""

import random
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from generators.hub import said
from generators.image.boxes import Objects, from_arrays, to_arrays
from generators.image.codec import Pixels
from generators.image.default_transforms import Kind, default_transforms, kind_of
from generators.image.transforms import build_transforms, is_choice, is_composition, library
from schemas.errors import GeneratorError

WORDS = 5
"""Words of 64 bits that seed one image."""


@dataclass(frozen=True)
class Boxes:
    """Which boxes are left: those of so many pixels, with so large a share of theirs in view after each transform."""

    min_area: float
    min_visibility: float


class Pipeline:
    """Declared transforms, or the default ones of each kind of image; built when the first image of a kind comes.

    `boxes` is given where the images have objects.
    """

    def __init__(self, declared: Sequence[Any] | None, boxes: Boxes | None, *, flip: bool) -> None:
        self._declared, self._boxes, self._flip = declared, boxes, flip
        self._made: dict[Kind | None, Any] = {}
        self._bits = np.random.PCG64(0)
        self._random = np.random.Generator(self._bits)
        self._python = random.Random(0)  # noqa: S311 - draws pixels, no secrets

    def apply(self, pixels: Pixels, objects: Objects, words: Sequence[int]) -> tuple[Pixels, list[dict[str, Any]]]:
        """Return the changed image, and its objects as they lie in it then; `words` are WORDS numbers that seed it.

        Raises GeneratorError with the transform named that cannot be applied.
        """
        compose = self._compose(pixels)
        self._seed(words)
        arrays = to_arrays(objects, pixels) if self._boxes else {}
        with _explained(masked="masks" in arrays):
            made = compose(image=pixels, **arrays)
        image = _finished(made["image"])
        return image, from_arrays(objects, made["bboxes"], made.get("masks"), image) if self._boxes else []

    def try_on(self, pixels: Pixels, objects: Objects) -> None:
        """Raise GeneratorError if a declared transform cannot be applied to such an image."""
        compose = self._compose(pixels)
        self._seed(range(WORDS))
        arrays = to_arrays(objects, pixels) if self._boxes else {}
        with _explained(masked="masks" in arrays):
            made = _each(compose.transforms, {"image": pixels, **arrays})
        _finished(made["image"])

    def _seed(self, words: Sequence[int]) -> None:
        """Put both random states of the transforms; several times as fast as `Compose.set_random_seed`."""
        self._bits.state = {
            "bit_generator": "PCG64",
            "state": {"state": words[0] << 64 | words[1], "inc": words[2] << 64 | words[3] | 1},
            "has_uint32": 0,
            "uinteger": 0,
        }
        self._python.seed(words[4])

    def _compose(self, pixels: Pixels) -> Any:
        kind = None if self._declared else kind_of(pixels, marked=self._boxes is not None)
        if kind not in self._made:
            self._made[kind] = self._build(kind)
        return self._made[kind]

    def _build(self, kind: Kind | None) -> Any:
        a = library()
        transforms = default_transforms(kind, flip=self._flip) if kind else build_transforms(self._declared or [])
        boxes = None
        if self._boxes:
            least = {"min_area": self._boxes.min_area, "min_visibility": self._boxes.min_visibility}
            boxes = a.BboxParams("albumentations", **least, clip=True, filter_invalid_bboxes=True)
        compose = a.Compose(transforms, bbox_params=boxes)
        compose.set_random_state(self._random, self._python)
        return compose


@contextmanager
def undisturbed() -> Iterator[None]:
    """Run OpenCV on one thread, so that actors share the cores, and keep albumentations from warning."""
    import cv2

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        cv2.setNumThreads(threads)


def _each(transforms: Sequence[Any], data: dict[str, Any]) -> dict[str, Any]:
    """Apply all transforms in order whatever their chances; of a choice each, and go on with what its first made."""
    for transform in transforms:
        if is_choice(transform):
            made = [_each([one], data) for one in transform.transforms]
            data = made[0]
        elif is_composition(transform):
            data = _each(transform.transforms, data)
        else:
            data = transform(force_apply=True, **data)
    return data


@contextmanager
def _explained(*, masked: bool) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise GeneratorError(_why_not(error, masked)) from error


def _why_not(error: Exception, masked: bool) -> str:
    transform, shape = _culprit(error)
    name = f"transform {type(transform).__name__!r}" if transform is not None else "the transforms"
    size = f" of {shape[1]}x{shape[0]} pixels, {'grey' if shape[2:] == (1,) else 'colour'}" if shape else ""
    advice = "or leave it out" if masked else "leave it out, or bring the images to one size with source.images.size"
    return (
        f"augment: {name} cannot be applied to an image{size} ({said(error)}); change its parameters in"
        f" generator.params.transforms, {advice}"
    )


def _culprit(error: Exception) -> tuple[Any, tuple[int, ...]]:
    """Return the transform that raised, and the shape of the image that it was given: both are in its call's frame."""
    step, transform, shape = error.__traceback__, None, ()
    while step:
        held = step.tb_frame.f_locals
        if step.tb_frame.f_code.co_name == "__call__" and isinstance(held.get("self"), library().BasicTransform):
            transform, shape = held["self"], held["kwargs"]["image"].shape
        step = step.tb_next
    return transform, shape


def _finished(image: Any) -> Pixels:
    """Return the image with its axis of channels; raises GeneratorError if it is none that can be stored."""
    shaped: Pixels = image[..., None] if image.ndim == 2 else image
    if shaped.dtype != np.uint8 or shaped.ndim != 3 or shaped.shape[2] not in (1, 3):
        raise GeneratorError(
            f"augment: the transforms make {image.dtype} arrays of shape {image.shape}, and an image is uint8 of one or"
            " three channels; leave Normalize, ToFloat and the like out of generator.params.transforms"
        )
    return shaped
