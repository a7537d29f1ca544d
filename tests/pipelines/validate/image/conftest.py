"""Batches of images, and real photographs where they are there."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from generators.image.codec import Encoding, Pixels, decode, encode
from pipelines.validate.base import Batch
from pipelines.validate.image.pixels import pixel_hashes
from schemas.arrow import IMAGE

BatchOf = Callable[..., Batch]


def table_of_images(images: Sequence[Pixels | bytes | None], labels: Sequence[str] | None = None) -> pa.Table:
    """Return images in a column; bytes stay as they are, None is a missing image."""
    written = [encode(image, Encoding()) if isinstance(image, np.ndarray) else image for image in images]
    column = pa.array([None if data is None else {"bytes": data, "path": None} for data in written], IMAGE)
    return pa.table({"image": column, "label": pa.array(labels or ["a"] * len(images), pa.string())})


def batch_of_images(
    images: Sequence[Pixels | bytes | None] | pa.Table,
    labels: Sequence[str] | None = None,
    rows: Sequence[int] | None = None,
) -> Batch:
    """Return a batch of images; `rows` are their positions in the source, or their parents'."""
    table = images if isinstance(images, pa.Table) else table_of_images(images, labels)
    return Batch(table, pixel_hashes(table.column("image")), "", None if rows is None else np.array(rows, np.int64))


@pytest.fixture(scope="session")
def picture_batch() -> BatchOf:
    return batch_of_images


@pytest.fixture(scope="session")
def noise() -> Callable[..., list[Pixels]]:
    """Smooth random images that have nothing to do with one another, or `rough` ones."""

    def make(count: int, side: int = 32, seed: int = 0, *, rough: bool = False) -> list[Pixels]:
        import cv2

        images = np.random.default_rng(seed).integers(0, 256, (count, side if rough else 8, side if rough else 8, 3))
        return [cv2.resize(image.astype(np.uint8), (side, side)) for image in images]

    return make


def _cifar(folder: Path, split: str, each: int) -> pa.Table:
    classes = sorted(path.name for path in (folder / "cifar10-lt" / split).iterdir())
    files = [file for name in classes for file in sorted((folder / "cifar10-lt" / split / name).iterdir())[:each]]
    return table_of_images([file.read_bytes() for file in files], [file.parent.name for file in files])


@pytest.fixture(scope="session")
def cifar(shared_data: Path) -> pa.Table:
    """Of each of ten classes 120 photographs of 32 x 32 pixels, fewer of the rare ones."""
    return _cifar(shared_data, "train", 120)


@pytest.fixture(scope="session")
def unseen_cifar(shared_data: Path) -> pa.Table:
    return _cifar(shared_data, "test", 60)


@pytest.fixture(scope="session")
def decoded() -> Callable[[pa.Table], list[Pixels]]:
    return lambda table: [decode(one["bytes"]) for one in table.column("image").to_pylist()]
