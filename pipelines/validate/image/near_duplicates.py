"""Refuses near-duplicates among images: no candidate may show what a real or an accepted image already shows.

Two images are near-duplicates when their perceptual hashes (Zauner 2010) differ in few of 64 bits. The hash says which
of an image's 64 slowest waves are strong. Re-encoding, scaling, blur, noise and light hardly change it; colours do not
count; rotating, mirroring or moving by more than a pixel or two gives another hash. Of 32 x 32 photographs, 98% are
found again after JPEG of quality 60, and 0.3% of unseen ones count as near to one among 12,000.

Candidates are compared with the real images of all classes (augmented ones not with their own parents), and with
accepted ones of their own class. So images made from one parent must differ in more than light and colour: where a
generator's transforms do nothing else, set `among_synthetic` to false. The search is exact and misses none.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from generators import base
from pipelines.storage.arrays import map_array
from pipelines.validate.base import Batch, Novelty, Verdict
from pipelines.validate.duplicates import AdmitAll
from pipelines.validate.image.hamming import NearCodes, Part, index_parts, near_codes, parts_for
from pipelines.validate.image.pixels import resize_images, sound_pixels
from pipelines.validate.sets import Hashes, Indices, Postings
from schemas.plan import Plan

_SIDE, _WAVES = 32, 8
_STEP = 0.125  # waves are rounded to it, so that a wave that is nearly 0 counts as 0
_SEVERAL = -1  # the owner of a code of several real images, or of one without a known position


class NearDuplicatesParams(base.Params):
    """How similar two images may be, and what candidates are compared with."""

    max_distance: int = Field(4, ge=0, le=10, description="Most bits of 64 in which near-duplicates differ.")
    against_real: bool = Field(True, description="Refuse near-duplicates of real images.")
    among_synthetic: bool = Field(True, description="Refuse those of images of the same class accepted before.")


class NearDuplicates:
    """Refuses near-duplicates of real and of accepted images.

    The sketches are the perceptual hashes: uint64, shape (rows,).

    Example:
        validate: [{name: near_duplicates, params: {max_distance: 2}}]

    """

    name: ClassVar[str] = "near_duplicates"
    Params: ClassVar[type[base.Params]] = NearDuplicatesParams

    def __init__(self, params: NearDuplicatesParams, plan: Plan) -> None:
        self._params = params
        self._image = plan.profile.image
        self._codes: Hashes = np.zeros(0, np.uint64)
        self._owners: Indices = np.zeros(0, np.int64)
        self._index: list[Postings] = []

    def fit(self, real: Iterable[Batch]) -> None:
        """Index the real images' hashes: about 100 bytes for each distinct one."""
        if self._params.against_real:
            batches = [(self.sketch(batch), _positions(batch)) for batch in real]
            codes, owners = (np.concatenate(parts) for parts in zip(*batches, strict=True))
            self._codes, self._owners = _sort_distinct(codes, owners)
        self._index = index_parts(self._codes, self._parts)

    def check(self, batch: Batch) -> Verdict:
        """Refuse the near-duplicates of real images other than their own parents."""
        near = np.zeros(batch.table.num_rows, np.bool_)
        if len(self._codes):
            rows, matches = near_codes(
                self.sketch(batch), self._codes, self._index, self._parts, self._params.max_distance
            )
            parents = np.full(len(near), -2) if batch.rows is None else batch.rows
            near[rows[self._owners[matches] != parents[rows]]] = True
        count = int(near.sum())
        return Verdict(~near, {"close to a real row": count} if count else {})

    def sketch(self, batch: Batch) -> Hashes:
        """Return the perceptual hashes."""
        return perceptual_hashes(batch.table.column(self._image))

    def novelty(self) -> Novelty:
        """Return an empty memory, or one that admits all where synthetic rows are not compared."""
        return NearCodes(self._params.max_distance) if self._params.among_synthetic else AdmitAll()

    def save(self, path: Path) -> None:
        """Write codes.npy (sorted), owners.npy, and keys and rows of the index's parts."""
        np.save(path / "codes.npy", self._codes)
        np.save(path / "owners.npy", self._owners)
        for number, postings in enumerate(self._index):
            np.save(path / f"keys{number}.npy", postings.keys)
            np.save(path / f"rows{number}.npy", postings.rows)

    def load(self, path: Path) -> None:
        """Map the files into memory: actors on one machine share their pages."""
        self._codes, self._owners = (map_array(path / f"{name}.npy") for name in ("codes", "owners"))
        numbers = range(len(self._parts))
        files = [[path / f"{name}{number}.npy" for name in ("keys", "rows")] for number in numbers]
        self._index = [Postings(*(map_array(file) for file in both)) for both in files]

    @property
    def _parts(self) -> list[Part]:
        return parts_for(self._params.max_distance, len(self._codes))


def perceptual_hashes(column: Any) -> Hashes:
    """Return the perceptual hash of each image of a column (pa.ChunkedArray).

    The grey image at 32 x 32 pixels is cosine-transformed. Bit i says whether wave i, of those with 1 to 8 half periods
    in each direction, is above their median. So 32 bits are set as a rule, and distances are even.
    """
    import cv2

    grey = resize_images(sound_pixels(column), _SIDE, grey=True)[..., 0].astype(np.float32)
    waves = np.empty((len(grey), _WAVES * _WAVES), np.float32)
    for row, image in enumerate(grey):
        waves[row] = cv2.dct(image)[1 : _WAVES + 1, 1 : _WAVES + 1].ravel()
    waves = np.rint(waves / _STEP)
    above = waves > np.median(waves, axis=1, keepdims=True) if len(waves) else np.zeros(waves.shape, np.bool_)
    return np.packbits(above, axis=1).view("<u8")[:, 0].astype(np.uint64)


def _positions(batch: Batch) -> Indices:
    return np.full(batch.table.num_rows, _SEVERAL) if batch.rows is None else batch.rows


def _sort_distinct(codes: Hashes, positions: Indices) -> tuple[Hashes, Indices]:
    """Return the distinct codes, sorted, and for each the position of the image that has it, or `_SEVERAL`."""
    order = np.argsort(codes, kind="stable")
    distinct, first, counts = np.unique(codes[order], return_index=True, return_counts=True)
    return distinct, np.where(counts == 1, positions[order][first], _SEVERAL)
