"""Runs albumentations on one image at a time, with a new random state for each. Knows no table."""

import random
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from generators.hub import quote_error
from generators.image.boxes import Objects, from_arrays, to_arrays
from generators.image.codec import Pixels
from generators.image.default_transforms import Kind, default_transforms, kind_of
from generators.image.transforms import build_transforms, is_choice, is_composition, library
from schemas.errors import GeneratorError

SEED_WORDS = 5
"""Numbers of 64 bits that seed one image."""


@dataclass(frozen=True)
class Boxes:
    """Which boxes are kept: those of enough pixels, of which each transform leaves a large enough share in view."""

    min_area: float
    min_visibility: float


class Pipeline:
    """Declared transforms, or the default ones of each kind of image; built when the first image of a kind comes.

    `boxes` is given where the images have objects.
    """

    def __init__(self, declared: Sequence[Any] | None, boxes: Boxes | None, *, flip: bool) -> None:
        self._declared, self._boxes, self._flip = declared, boxes, flip
        self._composes: dict[Kind | None, Any] = {}
        self._bits = np.random.PCG64(0)
        self._random = np.random.Generator(self._bits)
        self._python = random.Random(0)  # noqa: S311 - draws pixels, no secrets

    def apply(self, pixels: Pixels, objects: Objects, words: Sequence[int]) -> tuple[Pixels, list[dict[str, Any]]]:
        """Return the changed image and its changed objects; `words` are the `SEED_WORDS` numbers that seed it.

        Raises GeneratorError that names the transform which cannot be applied.
        """
        compose = self._compose(pixels)
        self._seed(words)
        arrays = to_arrays(objects, pixels) if self._boxes else {}
        with _explain_errors(masked="masks" in arrays):
            changed = compose(image=pixels, **arrays)
        image = _check_image(changed["image"])
        return image, from_arrays(objects, changed["bboxes"], changed.get("masks"), image) if self._boxes else []

    def try_on(self, pixels: Pixels, objects: Objects) -> None:
        """Raise GeneratorError if a declared transform cannot be applied to this image."""
        compose = self._compose(pixels)
        self._seed(range(SEED_WORDS))
        arrays = to_arrays(objects, pixels) if self._boxes else {}
        with _explain_errors(masked="masks" in arrays):
            changed = _apply_all(compose.transforms, {"image": pixels, **arrays})
        _check_image(changed["image"])

    def _seed(self, words: Sequence[int]) -> None:
        """Set both random states of the transforms; this is several times as fast as `Compose.set_random_seed`."""
        self._bits.state = {
            "bit_generator": "PCG64",
            "state": {"state": words[0] << 64 | words[1], "inc": words[2] << 64 | words[3] | 1},
            "has_uint32": 0,
            "uinteger": 0,
        }
        self._python.seed(words[4])

    def _compose(self, pixels: Pixels) -> Any:
        kind = None if self._declared else kind_of(pixels, marked=self._boxes is not None)
        if kind not in self._composes:
            self._composes[kind] = self._build(kind)
        return self._composes[kind]

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
def single_threaded() -> Iterator[None]:
    """Run OpenCV on one thread, so that actors share the cores, and silence albumentations' warnings."""
    import cv2

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        cv2.setNumThreads(threads)


def _apply_all(transforms: Sequence[Any], data: dict[str, Any]) -> dict[str, Any]:
    """Apply all transforms in order whatever their chances; of a choice try each, and continue with the first one."""
    for transform in transforms:
        if is_choice(transform):
            results = [_apply_all([option], data) for option in transform.transforms]
            data = results[0]
        elif is_composition(transform):
            data = _apply_all(transform.transforms, data)
        else:
            data = transform(force_apply=True, **data)
    return data


@contextmanager
def _explain_errors(*, masked: bool) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise GeneratorError(_describe_failure(error, masked)) from error


def _describe_failure(error: Exception, masked: bool) -> str:
    transform, shape = _find_culprit(error)
    name = f"transform {type(transform).__name__!r}" if transform is not None else "the transforms"
    size = f" of {shape[1]}x{shape[0]} pixels, {'grey' if shape[2:] == (1,) else 'colour'}" if shape else ""
    advice = "or leave it out" if masked else "leave it out, or bring the images to one size with source.images.size"
    return (
        f"augment: {name} cannot be applied to an image{size} ({quote_error(error)}); change its parameters in"
        f" generator.params.transforms, {advice}"
    )


def _find_culprit(error: Exception) -> tuple[Any, tuple[int, ...]]:
    """Return the transform that raised and the shape of its image, both read from the frame of its call."""
    step, transform, shape = error.__traceback__, None, ()
    while step:
        variables = step.tb_frame.f_locals
        if step.tb_frame.f_code.co_name == "__call__" and isinstance(variables.get("self"), library().BasicTransform):
            transform, shape = variables["self"], variables["kwargs"]["image"].shape
        step = step.tb_next
    return transform, shape


def _check_image(image: Any) -> Pixels:
    """Return the image with its axis of channels; raises GeneratorError if it cannot be stored as an image."""
    shaped: Pixels = image[..., None] if image.ndim == 2 else image
    if shaped.dtype != np.uint8 or shaped.ndim != 3 or shaped.shape[2] not in (1, 3):
        raise GeneratorError(
            f"augment: the transforms make {image.dtype} arrays of shape {image.shape}, and an image is uint8 of one or"
            " three channels; leave Normalize, ToFloat and the like out of generator.params.transforms"
        )
    return shaped
