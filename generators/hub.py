"""Models by a local folder or a hub id: which of the two a name is, and what is told when one cannot be had."""

import os
from pathlib import Path

_LONGEST = 300
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


def is_path(place: str) -> bool:
    """Whether a name that leads to nothing here is meant as a path, and not as a hub id."""
    return place.startswith((".", "/", "~")) or place.count("/") > 1


def offline_note() -> str:
    """Return what to add to a failed download where the hub may not be asked at all."""
    return ", and HF_HUB_OFFLINE is set" if os.environ.get("HF_HUB_OFFLINE") in ("1", "true", "True") else ""


def said(error: Exception) -> str:
    """Return what a library says of a failure, on one line and not too long."""
    return " ".join(str(error).split())[:_LONGEST] or type(error).__name__


def pickle_note(place: str | Path) -> str:
    """Return how to convert the weights of a local folder that holds them as pickles alone, else nothing.

    A pickle may run any code when it is loaded.
    """
    folder = Path(place).expanduser()
    names = sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
    pickles = [name for name in names if name.endswith(_PICKLES)]
    if not pickles or any(name.endswith(".safetensors") for name in names):
        return ""
    return (
        f"its weights are a pickle ({pickles[0]}), which may run code; where you trust it, load it and write it anew"
        " with save_pretrained, which makes safetensors"
    )
