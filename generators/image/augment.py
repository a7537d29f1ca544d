"""Augments real images by albumentations: flips, moves, changes of light, blur. Knows no network."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, field_validator

from generators import base
from generators.image.codec import Pixels
from generators.image.parents import Parents
from generators.image.pipeline import SEED_WORDS, Boxes, Pipeline, single_threaded
from generators.image.rows import image_table
from generators.image.transforms import FILES, build_transforms
from schemas.access import Touch
from schemas.plan import SampleRequest


class AugmentParams(base.Params):
    """The transforms, and which boxes survive them."""

    transforms: Annotated[list[Any] | None, Touch("read", below=FILES)] = Field(
        None,
        min_length=1,
        description="Names of albumentations' transforms, or {name: {parameter: value}}, in their order; OneOf, SomeOf,"
        " RandomOrder and Sequential hold lists of others. What suits the image's size when left out.",
    )
    flip: bool = Field(
        True, description="Mirror left and right; turn it off where they differ, as in digits. Not of your transforms."
    )
    min_visibility: float = Field(
        0.3, ge=0, le=1, description="Boxes of which a transform leaves a smaller share in the image are left out."
    )
    min_area: float = Field(0.0, ge=0, description="Boxes of fewer pixels are left out.")

    @field_validator("transforms")
    @classmethod
    def _are_known(cls, transforms: list[Any] | None) -> list[Any] | None:
        if transforms:
            build_transforms(transforms)
        return transforms


class Augment:
    """Makes each image from a real one of the class, by transforms of albumentations (Buslaev et al. 2020).

    All real images of a class are used equally often. Boxes and masks move with the pixels, and no box reaches out of
    its image; objects keep their classes. Images keep their mode, and their size unless the transforms change it.

    Example:
        generator:
          name: augment
          params: {flip: false, transforms: [{Rotate: {limit: 10}}, RandomBrightnessContrast]}

    """

    Params = AugmentParams
    capabilities: ClassVar[base.Capabilities] = base.Capabilities(
        modalities=("image",), origin="augmented", max_chunk_rows=512, makes_objects=True
    )

    def __init__(self, params: AugmentParams) -> None:
        self.params = params

    def fit(self, table: pa.Table, label: str, seed: int) -> None:
        """Keep the images, and try the declared transforms on the smallest and the largest one.

        Raises GeneratorError if there are no rows, or if a transform does not suit the images.
        """
        self._set_parents(Parents(table, label, "augment"), label, seed)
        if self.params.transforms:
            with single_threaded():
                for row in _extreme_rows(self._parents):
                    self._pipeline.try_on(self._parents.pixels(row), self._parents.objects(row))

    def _set_parents(self, parents: Parents, label: str, seed: int) -> None:
        self._parents, self._label, self._seed = parents, label, seed
        params = self.params
        boxes = Boxes(params.min_area, params.min_visibility) if parents.marked else None
        self._pipeline = Pipeline(params.transforms, boxes, flip=params.flip)

    def sample(self, request: SampleRequest) -> pa.Table:
        """Return `request.rows` changed images and `_parent_row`, the real row that each was made from.

        Raises GeneratorError with the transform and the image's size if the two do not fit.
        """
        parents = self._parents.choose(request, self._seed)
        objects: list[list[dict[str, Any]]] = []
        with single_threaded():
            images = self._augment_images(parents, request.seed, objects)
            return image_table(self._parents.schema, self._label, request, images, objects=objects, parents=parents)

    def _augment_images(
        self, parents: NDArray[np.int64], seed: int, objects: list[list[dict[str, Any]]]
    ) -> Iterator[Pixels]:
        """Yield the images one by one, so that only one is in memory as pixels; append each one's objects."""
        seeds_by_row = (
            np.random.SeedSequence(seed).generate_state(SEED_WORDS * len(parents), np.uint64).reshape(-1, SEED_WORDS)
        )
        for row, seeds in zip(parents.tolist(), seeds_by_row.tolist(), strict=True):
            pixels, changed = self._pipeline.apply(self._parents.pixels(row), self._parents.objects(row), seeds)
            objects.append(changed)
            yield pixels

    def save(self, path: Path) -> None:
        """Write the real images and `model.json`."""
        self._parents.save(path)
        (path / "model.json").write_text(json.dumps({"label": self._label, "seed": self._seed}))

    def load(self, path: Path, device: str) -> None:  # noqa: ARG002 - nothing runs on a device
        """Read what `save` wrote; the images stay on the disk until they are used."""
        model = json.loads((path / "model.json").read_text())
        self._set_parents(Parents.load(path, model["label"], "augment"), model["label"], model["seed"])


def _extreme_rows(parents: Parents) -> list[int]:
    """Return the rows of the smallest and the largest image, of the grey and of the colour ones."""
    rows: dict[int, list[tuple[int, int, int]]] = {}
    for row, (height, width, channels) in parents.shapes().items():
        rows.setdefault(channels, []).append((min(height, width), height * width, row))
    return sorted({pick(sizes)[2] for sizes in rows.values() for pick in (min, max)})
