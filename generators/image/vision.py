"""Features of images by a pretrained network of transformers, from a local folder or the hub. Knows no table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generators.hub import is_path, offline_note, pickle_note, quote_error
from generators.image.codec import Pixels
from generators.random import seeded
from generators.text.pretrained import quiet
from schemas.errors import GeneratorError

_BATCH = 32


class Vision:
    """A pretrained image model, on a GPU if there is one; `name` is its folder or hub id."""

    def __init__(self, name: str) -> None:
        """Load the model; raises GeneratorError where that fails. Only safetensors are read, and no code is run."""
        import torch

        self.name = name
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model, self._prepare = _load_model(name)
        self._model = model.to(device).eval()

    def features(self, images: Sequence[Pixels]) -> NDArray[np.float64]:
        """Return a vector for each image (at least one): the pooled output, else the mean over all positions.

        Grey images become coloured ones; the model's own preparation resizes and normalises them.
        """
        import torch

        parts = []
        with torch.inference_mode(), seeded(0):
            for start in range(0, len(images), _BATCH):
                coloured = [
                    np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
                    for image in images[start : start + _BATCH]
                ]
                inputs = self._prepare(images=coloured, return_tensors="pt", input_data_format="channels_last")
                parts.append(_pool_output(self._model(inputs["pixel_values"].to(self._model.device))))
        return np.concatenate(parts).astype(np.float64)


def _pool_output(output: Any) -> NDArray[np.float32]:
    hidden = getattr(output, "pooler_output", None)
    if hidden is None:
        hidden = (
            output.last_hidden_state
        )  # (images, positions, width), or (images, width, height, width) of convolutions
        hidden = hidden.mean(dim=1) if hidden.ndim == 3 else hidden
    pooled = hidden.mean(dim=(2, 3)) if hidden.ndim == 4 else hidden
    numbers: NDArray[np.float32] = pooled.flatten(1).float().cpu().numpy()
    return numbers


def _load_model(name: str) -> tuple[Any, Any]:
    import torch
    from transformers import AutoImageProcessor, AutoModel

    _check_folder(name)
    with quiet(), seeded(0):  # a model is filled with random weights before the file's are read
        try:
            model = AutoModel.from_pretrained(name, dtype=torch.float32, use_safetensors=True, trust_remote_code=False)
            return model, AutoImageProcessor.from_pretrained(name, use_fast=False, trust_remote_code=False)
        except (OSError, ValueError, ImportError, KeyError) as error:
            raise GeneratorError(_describe_failure(name, error)) from error


def _check_folder(name: str) -> None:
    """Raise GeneratorError if the name is a local folder without a model, or a path that leads nowhere."""
    folder = Path(name).expanduser()
    if not folder.is_dir():
        if is_path(name):
            raise GeneratorError(f"image model {name!r}: not there; give a folder that save_pretrained wrote")
        return
    files = {file.name for file in folder.iterdir()}
    note = pickle_note(folder)
    if note:
        raise GeneratorError(f"image model {name!r}: {note}")
    needed = {"config.json": {"config.json"}, "preprocessor_config.json": {"preprocessor_config.json"}}
    needed["model.safetensors"] = {name for name in files if name.endswith(".safetensors")}
    missing = [name for name, ways in needed.items() if not ways & files]
    if missing:
        raise GeneratorError(
            f"image model {name!r}: {' and '.join(missing)} missing; give a folder that save_pretrained of a"
            " transformers image model and of its image processor wrote"
        )


def _describe_failure(name: str, error: Exception) -> str:
    if not Path(name).expanduser().is_dir():
        return (
            f"image model {name!r}: neither a folder here nor to be had from the hub{offline_note()}"
            f" ({quote_error(error)}); give a folder that save_pretrained wrote, or a hub id that this machine can"
            " download"
        )
    return f"image model {name!r}: cannot be loaded ({quote_error(error)}); give an image model of transformers"
