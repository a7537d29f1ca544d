"""The base of the generators that are trained on the source: their parameters, fit, sample, save and load.

Knows no network and no loss. Torch is imported where it is used.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from generators import base
from generators.classes import check_class_known, check_class_sizes, class_weights, hold_out
from generators.image.rows import image_name, image_table, stack_images
from generators.random import seeded
from schemas.arrow import IMAGE
from schemas.errors import GeneratorError
from schemas.plan import SampleRequest

if TYPE_CHECKING:
    from torch import Tensor

    from generators.image.networks import Shape
    from generators.image.training import Rows, Source
    from generators.training import Settings

_TINY, _SMALL = 16, 32  # pixels of the longer side, at most
_BATCH_ROWS = {"tiny": 32, "small": 128, "base": 64}


@dataclass(frozen=True)
class LatentPreset:
    """A size of the networks that make an image from a few random numbers, with the training that suits it."""

    width: int
    levels: int
    steps: int


class TrainedParams(base.Params):
    """How a network learns from images, and how many it makes at once."""

    preset: Literal["auto", "tiny", "small", "base"] = Field(
        "auto", description="Size of the network: tiny up to 16 pixels, small up to 32, else base."
    )
    steps: Annotated[int | None, base.Lasting()] = Field(
        None, ge=1, description="Training steps, at most; the preset's if left out."
    )
    batch_rows: int | None = Field(None, ge=2, description="Images in one training step; the preset's if left out.")
    learning_rate: float | None = Field(None, gt=0, description="Of Adam; the preset's if left out.")
    warm_up: int = Field(100, ge=0, description="Steps in which the learning rate rises.")
    schedule: Literal["cosine", "constant"] = Field("cosine", description="How the learning rate goes on from there.")
    clip: float = Field(1.0, ge=0, description="Longest gradient; 0: of any length.")
    ema: float = Field(0.999, ge=0, lt=1, description="Share that the running mean of the weights keeps at a step.")
    balance: float = Field(
        0.7, ge=0, le=1, description="How evenly classes are drawn in training: 0 by their sizes, 1 all alike."
    )
    rotate: float = Field(15.0, ge=0, le=180, description="Images are turned by so many degrees at most.")
    shift: float = Field(0.1, ge=0, le=0.5, description="Images are shifted by so much of their side at most.")
    zoom: float = Field(0.15, ge=0, le=1, description="Images are enlarged or shrunk by so much at most.")
    flip: bool = Field(False, description="Half of the images are mirrored.")
    held_out: float = Field(
        0.1, ge=0, le=0.5, description="Share of each class of 200 rows or more that tells when to stop."
    )
    patience: int = Field(10, ge=1, description="Looks without a lower loss on the held-out images before the end.")
    look_every: int = Field(500, ge=1, description="Steps from one look, and one kept state, to the next.")
    sample_rows: int = Field(256, ge=1, description="Images made at once; on a GPU it changes the images.")
    gpu: bool = Field(True, description="Train on a GPU where there is one; the model differs from one of the CPU.")


class Trained(ABC):
    """A generator of images that is trained on all classes of the source together, so that rare ones learn from others.

    Rare classes are drawn more often in training than their size says (`balance`). Images are moved a little in
    training (`rotate`, `shift`, `zoom`, `flip`), and made images are moved in the same way: set 0 where that changes a
    class.
    """

    name: ClassVar[str]
    capabilities: ClassVar[base.Capabilities] = base.Capabilities(
        modalities=("image",), min_chunk_rows=16, max_chunk_rows=256, uses_gpu=True, needs_one_size=True
    )

    def __init__(self, params: Any) -> None:
        self.params = params
        self._device = "cpu"
        self._model: Any = None

    def fit(self, table: pa.Table, label: str, seed: int) -> None:
        """Train the model unwatched; see `train`."""
        self.train(table, label, seed, base.Unwatched())

    def train(self, table: pa.Table, label: str, seed: int, training: base.Training) -> None:
        """Train the model, or continue from a kept state of the same training.

        Raises GeneratorError for no rows, images of more than one size or mode, columns beside the image and the label,
        or too little memory on the GPU.
        """
        import torch

        check_class_sizes(table, label, self.capabilities.min_class_rows, self.name)
        _check_columns(table, label, self.name)
        images = stack_images(table, self.name).transpose(0, 3, 1, 2)
        labels = table[label].to_pylist()
        self._schema, self._label, self._classes = table.schema, label, sorted(set(labels))
        self._size = [int(side) for side in images.shape[2:]] + [images.shape[1]]
        numbers = np.searchsorted(self._classes, labels)
        device = "cuda" if self.params.gpu and torch.cuda.is_available() else "cpu"
        if device == "cuda":
            torch.cuda.init()  # type: ignore[no-untyped-call]
        with seeded(seed) as rng, _explain_memory(f"{self.name}: training", f"batch_rows ({self._batch_rows})"):
            held_out = hold_out(numbers, self.params.held_out, rng)
            source = self._make_source(
                _make_rows(images, numbers, self.params.balance), torch.from_numpy(held_out), device
            )
            with torch.backends.cudnn.flags(enabled=True, deterministic=True):
                self._model = self._learn(source, training)
        self._device = "cpu"

    def sample(self, request: SampleRequest) -> pa.Table:
        """Return `request.rows` images of the class; raises GeneratorError if it is not known, or memory runs out."""
        check_class_known(request.stratum, self._classes)
        number, most = self._classes.index(request.stratum), self.params.sample_rows
        with seeded(request.seed), _explain_memory(f"{self.name}: sampling", f"sample_rows ({most})"):
            parts = [
                _to_pixels(self._draw(number, min(most, request.rows - start)))
                for start in range(0, request.rows, most)
            ]
        return image_table(self._schema, self._label, request, list(np.concatenate(parts)))

    @abstractmethod
    def _network(self) -> Any:
        """Return the network whose weights are the fitted model, with random weights."""

    @abstractmethod
    def _learn(self, source: "Source", training: base.Training) -> Any:
        """Return the trained network, on the CPU."""

    @abstractmethod
    def _draw(self, number: int, rows: int) -> "Tensor":
        """Return images of -1 to 1 (rows, channels, height, width) of class `number`, from torch's random state."""

    def _decode_noise(self, decoder: Any, latent: int, number: int, rows: int) -> "Tensor":
        """Return the images of class `number` that the decoder makes, each from `latent` random numbers."""
        import torch

        with torch.inference_mode():
            noise = torch.randn(rows, latent).to(self._device, next(decoder.parameters()).dtype)
            images: Tensor = decoder(noise, torch.full((rows,), number, device=self._device))
        return images

    def _make_source(self, rows: "Rows", held_out: "Tensor", device: str) -> "Source":
        """Return the images to learn from and the held-out ones."""
        from generators.image.augmentation import Jitter
        from generators.image.training import Source

        params = self.params
        moves = Jitter(params.rotate, params.shift, params.zoom, params.flip)
        return Source(rows.take(~held_out), rows.take(held_out), self._batch_rows, moves, device)

    def _settings(self, steps: int) -> "Settings":
        """Return the settings of the training loop; `steps` is used where the parameters name no number."""
        from generators.training import REPORTS, Schedule, Settings

        params = self.params
        steps = params.steps or steps
        return Settings(
            steps=steps,
            schedule=Schedule(steps, params.warm_up, falls=params.schedule == "cosine"),
            look_every=params.look_every,
            report_every=max(1, params.look_every // REPORTS),
            keep_every=params.look_every,
            patience=params.patience,
            ema=params.ema,
        )

    @property
    def _shape(self) -> "Shape":
        from generators.image.networks import Shape

        height, width, channels = self._size
        return Shape(height, width, channels, len(self._classes))

    @property
    def _preset(self) -> str:
        """The size of the network, chosen by the images' size where the parameters leave it open."""
        longest = max(self._size[:2])
        fitting = "tiny" if longest <= _TINY else "small" if longest <= _SMALL else "base"
        return fitting if self.params.preset == "auto" else str(self.params.preset)

    @property
    def _batch_rows(self) -> int:
        return int(self.params.batch_rows or _BATCH_ROWS[self._preset])

    def save(self, path: Path) -> None:
        """Write the weights (safetensors) and `model.json`."""
        from safetensors.torch import save_model

        save_model(self._model, str(path / "model.safetensors"))
        model = {
            "classes": self._classes,
            "label": self._label,
            "size": self._size,
            "columns": _schema_to_json(self._schema),
        }
        (path / "model.json").write_text(json.dumps(model))

    def load(self, path: Path, device: str) -> None:
        """Read what `save` wrote, onto `cpu` or `cuda`."""
        import torch
        from safetensors.torch import load_model

        model = json.loads((path / "model.json").read_text())
        self._classes, self._label, self._size = model["classes"], model["label"], model["size"]
        self._schema = _schema(model["columns"])
        with seeded(0):
            self._model = self._network().eval()
        load_model(self._model, str(path / "model.safetensors"))
        self._device = device
        if device == "cuda":
            torch.cuda.init()  # type: ignore[no-untyped-call]
            self._model.to(device, torch.bfloat16, memory_format=torch.channels_last)


def _check_columns(table: pa.Table, label: str, generator: str) -> None:
    """Raise GeneratorError if the table has columns beside the image and the label."""
    others = set(table.column_names) - {image_name(table), label}
    if others:
        raise GeneratorError(
            f"{generator} makes images and their class, and cannot fill {', '.join(sorted(others))}; leave the column"
            " out, or use the generator 'augment'"
        )


def _to_pixels(images: "Tensor") -> NDArray[np.uint8]:
    """Return images of -1 to 1 as pixels (rows, height, width, channels)."""
    scaled = ((images.float().clamp(-1, 1) + 1) * 127.5).round()
    pixels: NDArray[np.uint8] = scaled.permute(0, 2, 3, 1).cpu().numpy().astype(np.uint8)
    return pixels


def _make_rows(images: NDArray[np.uint8], numbers: NDArray[np.int64], balance: float) -> "Rows":
    import torch

    from generators.image.training import Rows

    weights = torch.from_numpy(class_weights(numbers, balance))
    return Rows(torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(numbers), weights)


@contextmanager
def _explain_memory(doing: str, lower: str) -> Iterator[None]:
    """Turn a GPU's lack of memory into an error that says which parameter to lower."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        message = str(error).split(". ", 1)[0]
        raise GeneratorError(
            f"{doing} ran out of memory ({message}); lower {lower}, or take a smaller preset"
        ) from error


def _schema_to_json(schema: pa.Schema) -> list[dict[str, Any]]:
    """Return the schema of a table of an image and its class as plain values for JSON."""
    return [
        {
            "name": field.name,
            "image": field.type == IMAGE,
            "metadata": {key.decode(): value.decode() for key, value in (field.metadata or {}).items()},
        }
        for field in schema
    ]


def _schema(columns: list[dict[str, Any]]) -> pa.Schema:
    """Return the schema that `_schema_to_json` wrote down."""
    return pa.schema(
        [
            pa.field(column["name"], IMAGE if column["image"] else pa.string(), metadata=column["metadata"] or None)
            for column in columns
        ]
    )
