"""Tiny tables of images, and a training that is watched, killed and gone on with."""

import numpy as np
import pyarrow as pa

from generators.image.codec import Encoding, decode, encode
from generators.image.rows import list_encoded
from schemas.arrow import IMAGE
from schemas.plan import SampleRequest

PNG = Encoding("png")


def table_of(images, classes, encoding=PNG):
    """Return a table of images (height, width, channels) and their classes."""
    field = pa.field("picture", IMAGE, metadata=encoding.metadata())
    cells = [{"bytes": encode(image, encoding), "path": None} for image in images]
    return pa.table([cells, list(classes)], pa.schema([field, pa.field("kind", pa.string())]))


def squares(rows, shape=(8, 8, 1), seed=0):
    """Return `rows` images of each class, dark ones and bright ones, with a little noise."""
    rng = np.random.default_rng(seed)
    images = [rng.integers(at, at + 30, shape, np.uint8) for at in (20, 200) for _ in range(rows)]
    return table_of(images, ["dark"] * rows + ["light"] * rows)


def request(stratum="dark", rows=12, seed=7):
    return SampleRequest(stratum=stratum, chunk=0, rows=rows, seed=seed)


def pixels(table):
    """Return the images of a table, stacked."""
    return np.stack([decode(data) for data in list_encoded(table["picture"])])


class KilledError(Exception):
    pass


class Watched:
    """Notes what a training reports and keeps; dies at the first report from step `until` on."""

    def __init__(self, kept=None, until=10**9):
        self.kept, self.until, self.heard = kept, until, []

    def report(self, progress):
        self.heard.append(progress)
        if progress.step >= self.until:
            raise KilledError

    def restore(self):
        return self.kept

    def keep(self, state):
        self.kept = state


def weights(generator, folder):
    """Return the bytes of the saved model."""
    folder.mkdir()
    generator.save(folder)
    return {file.name: file.read_bytes() for file in folder.iterdir()}
