"""Models named by a local folder or a hub id: which of the two a name is, and the notes on a failed download."""

import os
from pathlib import Path

_LONGEST = 300
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


def is_path(name: str) -> bool:
    """Whether a name that leads to nothing here is meant as a path, and not as a hub id.

    >>> is_path("./models/bert"), is_path("google/bert")
    (True, False)
    """
    return name.startswith((".", "/", "~")) or name.count("/") > 1


def offline_note() -> str:
    """Return a note for a failed download where the hub must not be asked; an empty text where it may."""
    return ", and HF_HUB_OFFLINE is set" if os.environ.get("HF_HUB_OFFLINE") in ("1", "true", "True") else ""


def quote_error(error: Exception) -> str:
    r"""Return the text of a library's error, on one line and cut to 300 characters.

    >>> quote_error(ValueError("no such\n  file"))
    'no such file'
    """
    return " ".join(str(error).split())[:_LONGEST] or type(error).__name__


def pickle_note(model: str | Path) -> str:
    """Return how to convert the weights of a local folder that holds nothing but pickles; else an empty text.

    A pickle may run any code when it is loaded.
    """
    folder = Path(model).expanduser()
    names = sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
    pickles = [name for name in names if name.endswith(_PICKLES)]
    if not pickles or any(name.endswith(".safetensors") for name in names):
        return ""
    return (
        f"its weights are a pickle ({pickles[0]}), which may run code; where you trust it, load it and write it anew"
        " with save_pretrained, which makes safetensors"
    )
