"""The real images that new ones are made from: chosen in turn, decoded when needed. Knows no model."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from generators.classes import check_class_known, check_class_sizes, rows_by_class
from generators.image.boxes import objects_name
from generators.image.codec import Pixels, decode
from generators.image.rows import encoded_images, image_name
from schemas.plan import SampleRequest

_FILE = "images.arrow"
_MOST_SHAPES = 4096  # images whose size is read in fit
_CACHE_BYTES = 64 * 2**20  # bytes of decoded images


class Parents:
    """The table that a generator was fitted on, its images encoded; the first ones used stay decoded, up to 64 MiB."""

    def __init__(self, table: pa.Table, label: str, generator: str) -> None:
        check_class_sizes(table, label, 1, generator)
        self.schema = table.schema
        self._table = table
        self._bytes = encoded_images(table[image_name(table)])
        self.members = rows_by_class(table[label])
        objects_column = objects_name(table)
        self._objects = table[objects_column] if objects_column else None
        self._decoded: dict[int, Pixels] = {}
        self._cache_left = _CACHE_BYTES

    @property
    def marked(self) -> bool:
        """Whether there is a column of objects."""
        return self._objects is not None

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def choose(self, request: SampleRequest, seed: int) -> NDArray[np.int64]:
        """Return a row of the request's class for each row to make, shape (rows,).

        The class's rows come in a shuffled order that continues from chunk to chunk, so that all are used equally
        often; each round through them has its own order. Raises GeneratorError if there are none of the class.
        """
        check_class_known(request.stratum, self.members)
        members = self.members[request.stratum]
        numbers = np.arange(request.rows) + request.chunk * request.rows
        rounds, positions = np.divmod(numbers, len(members))
        chosen = np.empty(request.rows, np.int64)
        for number in range(int(rounds[0]), int(rounds[-1]) + 1):
            order = np.random.default_rng([seed, int(members[0]), number]).permutation(members)
            here = rounds == number
            chosen[here] = order[positions[here]]
        return chosen

    def data(self, row: int) -> bytes:
        """Return the encoded image of a row."""
        data: bytes = self._bytes[row].as_py()
        return data

    def shapes(self) -> dict[int, tuple[int, ...]]:
        """Return the height, width and channels of images by their rows, read from their headers.

        At most 4,096 images, evenly spread, are read.
        """
        from PIL import Image

        shapes: dict[int, tuple[int, ...]] = {}
        for row in range(0, len(self), -(-len(self) // _MOST_SHAPES)):
            with Image.open(io.BytesIO(self.data(row))) as image:
                shapes[row] = (image.height, image.width, 1 if image.mode in ("1", "L", "I", "I;16") else 3)
        return shapes

    def pixels(self, row: int) -> Pixels:
        """Return the image of a row, as an array that may be changed."""
        cached = self._decoded.get(row)
        if cached is not None:
            return cached.copy()
        pixels = decode(self.data(row))
        if pixels.nbytes <= self._cache_left:
            self._cache_left -= pixels.nbytes
            self._decoded[row] = pixels.copy()
        return pixels

    def objects(self, row: int) -> list[dict[str, Any]]:
        """Return the objects that are marked in the image of a row."""
        return [] if self._objects is None else self._objects[row].as_py() or []

    def save(self, path: Path) -> None:
        """Write the table into the folder `path`, uncompressed, so that `load` need not read all of it."""
        with pa.OSFile(str(path / _FILE), "wb") as sink, pa.ipc.new_file(sink, self.schema) as writer:
            writer.write_table(self._table)

    @classmethod
    def load(cls, path: Path, label: str, generator: str) -> "Parents":
        """Return what `save` wrote, mapped into memory; raises pa.ArrowInvalid if a row would lie outside the file."""
        table = pa.ipc.open_file(pa.memory_map(str(path / _FILE))).read_all()
        table.validate(full=True)  # reads where the images lie, and not the images
        return cls(table, label, generator)
