"""Features of images by a pretrained network of transformers, from a local folder or the hub. Knows no table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generators.hub import is_path, offline_note, pickle_note, said
from generators.image.codec import Pixels
from generators.random import seeded
from generators.text.pretrained import quiet
from schemas.errors import GeneratorError

_BATCH = 32


class Vision:
    """A pretrained image model, on a GPU if there is one. `name` is where it came from."""

    def __init__(self, place: str) -> None:
        """Load it; raises GeneratorError where that cannot be. Of files, safetensors alone are read, and no code."""
        import torch

        self.name = place
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model, self._prepare = _load(place)
        self._model = model.to(device).eval()

    def features(self, images: Sequence[Pixels]) -> NDArray[np.float64]:
        """Return a vector for each image (at least one): the pooled output, else the mean over all places.

        Grey images are taken as coloured ones; the model's own preparation resizes and normalises them.
        """
        import torch

        parts = []
        with torch.inference_mode(), seeded(0):
            for start in range(0, len(images), _BATCH):
                coloured = [
                    np.repeat(one, 3, axis=2) if one.shape[2] == 1 else one for one in images[start : start + _BATCH]
                ]
                given = self._prepare(images=coloured, return_tensors="pt", input_data_format="channels_last")
                parts.append(_pooled(self._model(given["pixel_values"].to(self._model.device))))
        return np.concatenate(parts).astype(np.float64)


def _pooled(output: Any) -> NDArray[np.float32]:
    found = getattr(output, "pooler_output", None)
    if found is None:
        found = output.last_hidden_state  # (images, places, width), or (images, width, height, width) of convolutions
        found = found.mean(dim=1) if found.ndim == 3 else found
    pooled = found.mean(dim=(2, 3)) if found.ndim == 4 else found
    numbers: NDArray[np.float32] = pooled.flatten(1).float().cpu().numpy()
    return numbers


def _load(place: str) -> tuple[Any, Any]:
    import torch
    from transformers import AutoImageProcessor, AutoModel

    _check_folder(place)
    with quiet(), seeded(0):  # a model is filled with random weights before the file's are read
        try:
            model = AutoModel.from_pretrained(place, dtype=torch.float32, use_safetensors=True, trust_remote_code=False)
            return model, AutoImageProcessor.from_pretrained(place, use_fast=False, trust_remote_code=False)
        except (OSError, ValueError, ImportError, KeyError) as error:
            raise GeneratorError(_why_not(place, error)) from error


def _check_folder(place: str) -> None:
    """Raise GeneratorError if the place is a local folder without a model, or is meant as one and is not there."""
    folder = Path(place).expanduser()
    if not folder.is_dir():
        if is_path(place):
            raise GeneratorError(f"image model {place!r}: not there; give a folder that save_pretrained wrote")
        return
    files = {file.name for file in folder.iterdir()}
    note = pickle_note(folder)
    if note:
        raise GeneratorError(f"image model {place!r}: {note}")
    needed = {"config.json": {"config.json"}, "preprocessor_config.json": {"preprocessor_config.json"}}
    needed["model.safetensors"] = {name for name in files if name.endswith(".safetensors")}
    missing = [name for name, ways in needed.items() if not ways & files]
    if missing:
        raise GeneratorError(
            f"image model {place!r}: {' and '.join(missing)} missing; give a folder that save_pretrained of a"
            " transformers image model and of its image processor wrote"
        )


def _why_not(place: str, error: Exception) -> str:
    if not Path(place).expanduser().is_dir():
        return (
            f"image model {place!r}: neither a folder here nor to be had from the hub{offline_note()} ({said(error)});"
            " give a folder that save_pretrained wrote, or a hub id that this machine can download"
        )
    return f"image model {place!r}: cannot be loaded ({said(error)}); give an image model of transformers"
