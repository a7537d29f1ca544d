"""Reads arrays from files of numpy's own format (`.npy`), but no zip and no pickle."""

from pathlib import Path
from typing import IO, Any

from numpy.lib import format as npy
from numpy.typing import NDArray


def map_array(file: Path) -> NDArray[Any]:
    """Map an array into memory, read-only: processes on one machine share its pages.

    Raises ValueError for a file of another format, which `np.load` could read as a zip or a pickle.
    """
    array: NDArray[Any] = npy.open_memmap(file, mode="r")
    return array


def read_array(file: Path | IO[bytes]) -> NDArray[Any]:
    """Return the array of a path or an open file; raises ValueError as `map_array` does."""
    if isinstance(file, Path):
        with file.open("rb") as stream:
            return read_array(stream)
    array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
    return array
