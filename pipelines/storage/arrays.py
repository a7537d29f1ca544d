"""Arrays in files of numpy's own format, and nothing else: no zip and no pickle. Knows not what they hold."""

from pathlib import Path
from typing import IO, Any

from numpy.lib import format as npy
from numpy.typing import NDArray


def mapped(file: Path) -> NDArray[Any]:
    """Map the array into memory, to be read alone: processes on one machine share its pages.

    Raises ValueError for a file of another kind, which `np.load` would take for a zip, or call a pickle.
    """
    array: NDArray[Any] = npy.open_memmap(file, mode="r")
    return array


def read(file: Path | IO[bytes]) -> NDArray[Any]:
    """Return the array of a file, or of what stands in an open one; raises ValueError as `mapped` does."""
    if isinstance(file, Path):
        with file.open("rb") as stream:
            return read(stream)
    array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
    return array
