"""Images from a pretrained diffusers pipeline: from a prompt of the class alone, or also from real images."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from generators import base
from generators.classes import check_class_known, check_class_sizes
from generators.image.boxes import objects_name
from generators.image.codec import Pixels
from generators.image.diffusers_models import (
    Located,
    add_lora,
    load_pipeline,
    locate_lora,
    locate_pipeline,
    offload,
    quiet,
)
from generators.image.painter import Look, Painter, resize_image
from generators.image.parents import Parents
from generators.image.rows import image_table
from generators.random import seeded
from generators.text.prompts import check_template
from schemas.access import Touch
from schemas.errors import GeneratorError, nearest
from schemas.plan import SampleRequest

Prompt = str | list[str] | dict[str, str]


class PretrainedParams(base.Params):
    """Parameters of the pipeline, its prompts, and how it makes images."""

    model: Annotated[str, Touch("models")] = Field(
        min_length=1, description="A local folder or hub id of a diffusers pipeline."
    )
    mode: Literal["text", "image"] = Field(
        "text", description="text: images from the prompt alone. image: variations of the class's real images."
    )
    prompt: Prompt = Field(
        "a photo of a {label}",
        description="A template over the class, a list of some that are drawn from, or a prompt for each class.",
    )
    negative_prompt: str | None = Field(None, description="What shall not be in the images.")
    steps: int | None = Field(None, ge=1, le=1000, description="Denoising steps; the pipeline's own when left out.")
    guidance: float | None = Field(None, ge=0, description="How closely images follow the prompt.")
    strength: float = Field(0.5, gt=0, le=1, description="How far a variation leaves its real image; 1 forgets it.")
    size: tuple[int, int] | None = Field(
        None, description="Width and height that the pipeline makes, before images get the real ones' size."
    )
    lora: Annotated[str | None, Touch("models")] = Field(
        None, min_length=1, description="LoRA weights: a safetensors file, its folder, a hub id."
    )
    lora_scale: float = Field(1.0, description="How much the LoRA weights count.")
    sample_rows: int = Field(8, ge=1, description="Images made at once; on a GPU it changes the pixels a little.")
    offload: bool = Field(False, description="Keep on the GPU only the part that works: slower, in less memory.")

    @field_validator("prompt", mode="before")
    @classmethod
    def _are_templates(cls, prompt: Any) -> Any:
        if not prompt or not isinstance(prompt, str | list | dict):
            raise ValueError(f"must be a template, a list of them or {{class: prompt}}, got {prompt!r}")
        templates = [prompt] if isinstance(prompt, str) else prompt.values() if isinstance(prompt, dict) else prompt
        if not all(isinstance(template, str) for template in templates):
            raise ValueError(f"every prompt must be a text, got {prompt!r}")
        for template in templates:
            check_template(template, ("label",))
        return prompt

    @field_validator("size", mode="before")
    @classmethod
    def _is_pair(cls, size: Any) -> Any:
        """Read a single number as the side of a square."""
        pair = list(size) if isinstance(size, list | tuple) else [size, size]
        if size is None:
            return None
        if len(pair) != 2 or not all(isinstance(side, int) and side >= 8 and side % 8 == 0 for side in pair):
            raise ValueError(f"must be a multiple of 8 pixels, or [width, height] of such, got {size!r}")
        return pair

    @model_validator(mode="after")
    def _leaves_steps(self) -> "PretrainedParams":
        if self.mode == "image" and self.steps and int(self.steps * self.strength) < 1:
            raise ValueError(
                f"steps x strength must be 1 or more, got {self.steps} x {self.strength:g}; raise one of them"
            )
        return self


class Pretrained:
    """Uses a text-to-image or image-to-image pipeline without training it (Rombach et al. 2022, arXiv:2112.10752).

    In the mode `image` each image starts as a real one of the class, noised by `strength` (SDEdit, Meng et al. 2022,
    arXiv:2108.01073); all real ones are used equally often. Each row has its own noise, from its own seed on the CPU.
    Images are resized to the size of the real ones (the most frequent size, or the parent's) and brought to their mode.
    An image that a pipeline's safety checker blackens is a row like others, which the validators judge.

    Example:
        generator:
          name: pretrained
          params: {model: models/sd-turbo, prompt: "an x-ray of a {label}", steps: 4}

    """

    Params = PretrainedParams
    capabilities: ClassVar[base.Capabilities] = base.Capabilities(
        modalities=("image",), min_chunk_rows=8, max_chunk_rows=64, uses_gpu=True
    )

    def __init__(self, params: PretrainedParams) -> None:
        self.params = params

    def fit(self, table: pa.Table, label: str, seed: int) -> None:
        """Remember the classes and the images' usual size, keep the images in mode `image`, and load the pipeline.

        Raises GeneratorError if there are no rows, for prompts of other classes, or if the model is no pipeline.
        """
        check_class_sizes(table, label, self.capabilities.min_class_rows, "pretrained")
        if objects_name(table):
            raise GeneratorError("pretrained makes no boxes, and the images have objects; use the generator 'augment'")
        parents = Parents(table, label, "pretrained")
        self._schema, self._label, self._seed = table.schema, label, seed
        self._classes = sorted(parents.members)
        self._check_prompts()
        self._shape: tuple[int, ...] = _usual_shape(parents)
        self._parents = parents if self.params.mode == "image" else None
        self._located = self._locate_models()
        self._load_pipeline("cpu")

    def _check_prompts(self) -> None:
        prompt = self.params.prompt
        for name in prompt if isinstance(prompt, dict) else ():
            if name not in self._classes:
                raise GeneratorError(f"generator.params.prompt: unknown class {name!r}{nearest(name, self._classes)}")

    def _locate_models(self) -> tuple[Located, Located | None]:
        return locate_pipeline(self.params.model), locate_lora(self.params.lora) if self.params.lora else None

    def _load_pipeline(self, device: str) -> None:
        model, lora = self._located
        lean = self.params.offload and device == "cuda"
        pipeline = load_pipeline(self.params.mode, model, device, offloaded=lean)
        if lora:
            add_lora(pipeline, lora, self.params.lora_scale)
        if lean:
            offload(pipeline)
        self._painter = Painter(pipeline, self._make_look())

    def _make_look(self) -> Look:
        params = self.params
        return Look(
            negative_prompt=params.negative_prompt,
            steps=params.steps,
            guidance=params.guidance,
            strength=params.strength,
            size=params.size,
        )

    def sample(self, request: SampleRequest) -> pa.Table:
        """Return `request.rows` images; in mode `image` also `_parent_row`, the real row that each was made from.

        Raises GeneratorError for a class without a prompt, or if a batch needs more memory than there is.
        """
        check_class_known(request.stratum, self._classes)
        templates = self._templates(request.stratum)
        parents = self._parents.choose(request, self._seed) if self._parents else None
        with seeded(request.seed) as rng, quiet():
            numbers = rng.integers(len(templates), size=request.rows)
            prompts = [templates[number].format(label=request.stratum) for number in numbers]
            seeds = rng.integers(2**63, size=request.rows)
            images = self._paint_images(prompts, seeds, parents)
            return image_table(self._schema, self._label, request, images, parents=parents)

    def _templates(self, stratum: str) -> list[str]:
        prompt = self.params.prompt
        if isinstance(prompt, dict) and stratum not in prompt:
            raise GeneratorError(f"class {stratum!r}: has no prompt; give it one in generator.params.prompt")
        return [prompt[stratum]] if isinstance(prompt, dict) else [prompt] if isinstance(prompt, str) else prompt

    def _paint_images(
        self, prompts: Sequence[str], seeds: NDArray[np.int64], parents: NDArray[np.int64] | None
    ) -> Iterator[Pixels]:
        """Yield the images in order, made `sample_rows` at a time."""
        for first in range(0, len(prompts), self.params.sample_rows):
            rows = slice(first, first + self.params.sample_rows)
            starts = None
            if self._parents and parents is not None:
                starts = [self._parents.pixels(int(row)) for row in parents[rows]]
            for number, image in enumerate(self._painter.paint(prompts[rows], seeds[rows], starts)):
                yield resize_image(image, starts[number].shape if starts else self._shape)

    def save(self, path: Path) -> None:
        """Write `model.json` with the hash of the pipeline, and the real images in mode `image`.

        The pipeline itself stays where it is.
        """
        if self._parents:
            self._parents.save(path)
        (path / "schema.arrow").write_bytes(self._schema.serialize())
        identities = [located and located.identity for located in self._located]
        model = {"label": self._label, "seed": self._seed, "classes": self._classes, "usual": self._shape}
        (path / "model.json").write_text(json.dumps({**model, "identities": identities}))

    def load(self, path: Path, device: str) -> None:
        """Read what `save` wrote, and the pipeline from its own path, onto `cpu` or `cuda`.

        Raises GeneratorError if the pipeline has changed since.
        """
        model = json.loads((path / "model.json").read_text())
        self._schema = pa.ipc.read_schema(pa.py_buffer((path / "schema.arrow").read_bytes()))
        self._label, self._seed, self._classes = model["label"], model["seed"], model["classes"]
        self._shape = tuple(model["usual"])
        image = self.params.mode == "image"
        self._parents = Parents.load(path, self._label, "pretrained") if image else None
        self._located = self._locate_models()
        for located, identity in zip(self._located, model["identities"], strict=True):
            if located and located.identity != identity:
                raise GeneratorError(
                    f"model {located.name!r}: is not the one that it was when the build began; put that one back, or"
                    " build into another folder"
                )
        self._load_pipeline(device)


def _usual_shape(parents: Parents) -> tuple[int, ...]:
    """Return the most frequent height, width and channels."""
    counts = Counter(parents.shapes().values())
    return max(sorted(counts), key=counts.__getitem__)
