"""Writes files that run code when they are unpickled: the code creates a mark, which a check looks for.

This module unpickles nothing. The files replace those of a saved model, and a check then loads the model.
"""

import io
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


class Trap:
    """An object that creates its mark, a file, when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(self.mark),)


def as_pickle(mark: Path) -> bytes:
    """Return a plain pickle, which joblib reads too, with the opcodes of `os.makedirs(mark, 511, True)`."""
    return b"cos\nmakedirs\n(V" + str(mark).encode("raw_unicode_escape") + b"\nI511\nI01\ntR."


def as_torch(mark: Path) -> bytes:
    """Return a trap in the zip format of torch.save."""
    import torch

    sink = io.BytesIO()
    torch.save({"weight": Trap(mark)}, sink)
    return sink.getvalue()


def as_old_torch(mark: Path) -> bytes:
    """Return a trap in the format that torch.save wrote before zip files."""
    import torch

    sink = io.BytesIO()
    torch.save({"weight": Trap(mark)}, sink, _use_new_zipfile_serialization=False)
    return sink.getvalue()


def as_numpy(mark: Path) -> bytes:
    """Return an array of objects in the format of np.save."""
    sink = io.BytesIO()
    np.save(sink, np.array([Trap(mark)], dtype=object), allow_pickle=True)
    return sink.getvalue()


def as_numpy_zip(mark: Path, names: Sequence[str] = ("kept",)) -> bytes:
    """Return arrays of objects under these names in the format of np.savez."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        for name in names:
            file.writestr(f"{name}.npy", as_numpy(mark))
    return sink.getvalue()


TRAPS = {"pickle": as_pickle, "torch": as_torch, "old torch": as_old_torch, "numpy": as_numpy}
"""The kinds of traps that may replace any file."""


def traps_for(file: Path, mark: Path) -> Iterator[bytes]:
    """Yield the bytes of every trap that a reader of this kind of file might load."""
    for make in TRAPS.values():
        yield make(mark)
    if file.suffix == ".npz":
        with np.load(file, allow_pickle=False) as kept:
            yield as_numpy_zip(mark, [*kept.files, "one-more"])


@dataclass(frozen=True)
class Attacked:
    """A copy of a folder in which the file `name` is a trap; `mark` exists once its code has run."""

    folder: Path
    name: str
    mark: Path


def attacks(folder: Path, scratch: Path) -> Iterator[Attacked]:
    """Yield copies of a folder, one for each file and each trap that replaces it; each overwrites the copy before."""
    mark, copy = scratch / "sprung", scratch / "attacked"
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        name = file.relative_to(folder)
        for trap in traps_for(file, mark):
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(folder, copy)
            (copy / name).write_bytes(trap)
            yield Attacked(copy, name.as_posix(), mark)
