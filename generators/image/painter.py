"""Calls a diffusers pipeline for one batch of images. Knows no table and no class."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generators.hub import quote_error
from generators.image.codec import Pixels
from schemas.errors import GeneratorError

_OURS = {"num_inference_steps": "steps", "guidance_scale": "guidance"}  # the names of our parameters


@dataclass(frozen=True)
class Look:
    """The settings of made images; None leaves a value to the pipeline. `size` is width and height."""

    negative_prompt: str | None
    steps: int | None
    guidance: float | None
    strength: float
    size: tuple[int, int] | None


class Painter:
    """A text-to-image or image-to-image pipeline, and its settings."""

    def __init__(self, pipeline: Any, look: Look) -> None:
        self._pipeline, self._look = pipeline, look
        self._parameters = set(inspect.signature(pipeline.__call__).parameters)

    def paint(
        self, prompts: Sequence[str], seeds: NDArray[np.int64], begun: Sequence[Pixels] | None
    ) -> NDArray[np.uint8]:
        """Return an image for each prompt, shape (batch, height, width, 3).

        `begun` holds the real image that each starts from. Each image's noise is drawn on the CPU from its own seed, so
        that the batch does not change it. Raises GeneratorError for a parameter that the pipeline does not know, or if
        it runs out of memory.
        """
        import torch

        noise = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
        arguments = self._arguments(len(prompts), begun)
        try:
            with torch.inference_mode():
                made = self._pipeline(prompt=list(prompts), generator=noise, output_type="np", **arguments).images
        except torch.OutOfMemoryError as error:
            raise GeneratorError(self._describe_overflow(len(prompts))) from error
        except ValueError as error:
            raise GeneratorError(
                f"pretrained: the {self._kind} cannot make such images ({quote_error(error)})"
            ) from error
        pixels: NDArray[np.uint8] = np.rint(np.nan_to_num(made).clip(0, 1) * 255).astype(np.uint8)
        return pixels

    @property
    def _kind(self) -> str:
        return type(self._pipeline).__name__

    def _describe_overflow(self, rows: int) -> str:
        width, height = self._size()
        return (
            f"pretrained: {rows} images of {width}x{height} pixels at once do not fit into the device's memory; lower"
            " generator.params.sample_rows or size, or set offload: true"
        )

    def _arguments(self, rows: int, begun: Sequence[Pixels] | None) -> dict[str, Any]:
        """Return the arguments of the pipeline's call; raises GeneratorError for a parameter that it does not know."""
        look = self._look
        negative = None if look.negative_prompt is None else [look.negative_prompt] * rows
        values = {"num_inference_steps": look.steps, "guidance_scale": look.guidance, "negative_prompt": negative}
        arguments = {name: value for name, value in values.items() if value is not None}
        for name in arguments:
            if name not in self._parameters:
                ours = _OURS.get(name, name)
                raise GeneratorError(f"generator.params.{ours}: a {self._kind} does not know it; leave it out")
        width, height = self._size()
        if {"width", "height"} <= self._parameters and (look.size or begun):
            arguments |= {"width": width, "height": height}
        return arguments if begun is None else {**arguments, **self._start_images(begun)}

    def _start_images(self, begun: Sequence[Pixels]) -> dict[str, Any]:
        from PIL import Image

        width, height = self._size()
        images = [Image.fromarray(resize_image(pixels, (height, width, 3))) for pixels in begun]
        return {"image": images, "strength": self._look.strength}

    def _size(self) -> tuple[int, int]:
        """Return the width and height that the pipeline makes: the requested ones, or those that it was trained on."""
        if self._look.size:
            return self._look.size
        part = getattr(self._pipeline, "unet", None) or getattr(self._pipeline, "transformer", None)
        trained = getattr(getattr(part, "config", None), "sample_size", None)
        side = getattr(self._pipeline, "default_sample_size", None) or trained
        side = (side if isinstance(side, int) else 64) * int(getattr(self._pipeline, "vae_scale_factor", 8))
        return side, side


def resize_image(pixels: Pixels, shape: Sequence[int]) -> Pixels:
    """Return the image resized to the height, width and number of channels (1 or 3) of `shape`."""
    import cv2

    height, width, channels = shape
    image: Any = pixels
    if channels != image.shape[2]:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY if channels == 1 else cv2.COLOR_GRAY2RGB)
    if image.shape[:2] != (height, width):
        smaller = image.shape[0] * image.shape[1] > height * width
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
    return np.ascontiguousarray(image.reshape(height, width, channels))
