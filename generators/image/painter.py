"""Calls a diffusers pipeline for one batch of images. Knows no table and no class."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generators.hub import said
from generators.image.codec import Pixels
from schemas.errors import GeneratorError

_OURS = {"num_inference_steps": "steps", "guidance_scale": "guidance"}  # what our parameters are called


@dataclass(frozen=True)
class Look:
    """How images are made; what is None is left to the pipeline. `size` is width and height."""

    negative_prompt: str | None
    steps: int | None
    guidance: float | None
    strength: float
    size: tuple[int, int] | None


class Painter:
    """A text-to-image or image-to-image pipeline, and how it is called."""

    def __init__(self, pipeline: Any, look: Look) -> None:
        self._pipeline, self._look = pipeline, look
        self._known = set(inspect.signature(pipeline.__call__).parameters)

    def paint(
        self, prompts: Sequence[str], seeds: NDArray[np.int64], begun: Sequence[Pixels] | None
    ) -> NDArray[np.uint8]:
        """Return an image for each prompt, shape (batch, height, width, 3); `begun` holds what each begins as.

        Each image's noise is drawn on the CPU from its own seed, so that the batch does not change it. Raises
        GeneratorError for what the pipeline does not know, or if it needs more memory than there is.
        """
        import torch

        noise = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
        arguments = self._arguments(len(prompts), begun)
        try:
            with torch.inference_mode():
                made = self._pipeline(prompt=list(prompts), generator=noise, output_type="np", **arguments).images
        except torch.OutOfMemoryError as error:
            raise GeneratorError(self._too_much(len(prompts))) from error
        except ValueError as error:
            raise GeneratorError(f"pretrained: the {self._kind} cannot make such images ({said(error)})") from error
        pixels: NDArray[np.uint8] = np.rint(np.nan_to_num(made).clip(0, 1) * 255).astype(np.uint8)
        return pixels

    @property
    def _kind(self) -> str:
        return type(self._pipeline).__name__

    def _too_much(self, rows: int) -> str:
        width, height = self._size()
        return (
            f"pretrained: {rows} images of {width}x{height} pixels at once do not fit into the device's memory; lower"
            " generator.params.sample_rows or size, or set offload: true"
        )

    def _arguments(self, rows: int, begun: Sequence[Pixels] | None) -> dict[str, Any]:
        """Return what the pipeline is called with; raises GeneratorError for a parameter that it does not know."""
        look = self._look
        negative = None if look.negative_prompt is None else [look.negative_prompt] * rows
        asked = {"num_inference_steps": look.steps, "guidance_scale": look.guidance, "negative_prompt": negative}
        given = {name: value for name, value in asked.items() if value is not None}
        for name in given:
            if name not in self._known:
                ours = _OURS.get(name, name)
                raise GeneratorError(f"generator.params.{ours}: a {self._kind} does not know it; leave it out")
        width, height = self._size()
        if {"width", "height"} <= self._known and (look.size or begun):
            given |= {"width": width, "height": height}
        return given if begun is None else {**given, **self._beginnings(begun)}

    def _beginnings(self, begun: Sequence[Pixels]) -> dict[str, Any]:
        from PIL import Image

        width, height = self._size()
        images = [Image.fromarray(fitted(pixels, (height, width, 3))) for pixels in begun]
        return {"image": images, "strength": self._look.strength}

    def _size(self) -> tuple[int, int]:
        """Return the width and height that the pipeline makes: those asked for, or those that it was trained on."""
        if self._look.size:
            return self._look.size
        part = getattr(self._pipeline, "unet", None) or getattr(self._pipeline, "transformer", None)
        trained = getattr(getattr(part, "config", None), "sample_size", None)
        side = getattr(self._pipeline, "default_sample_size", None) or trained
        side = (side if isinstance(side, int) else 64) * int(getattr(self._pipeline, "vae_scale_factor", 8))
        return side, side


def fitted(pixels: Pixels, shape: Sequence[int]) -> Pixels:
    """Return the image at the height, width and number of channels (1 or 3) of `shape`."""
    import cv2

    height, width, channels = shape
    image: Any = pixels
    if channels != image.shape[2]:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY if channels == 1 else cv2.COLOR_GRAY2RGB)
    if image.shape[:2] != (height, width):
        smaller = image.shape[0] * image.shape[1] > height * width
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
    return np.ascontiguousarray(image.reshape(height, width, channels))
