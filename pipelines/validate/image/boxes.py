"""Checks the objects of an image: each box lies in the image, and it holds exactly what its stratum promises.

Where strata are defined by the contents of images (the column `boxes`, as `pipelines.plan.boxes.contents` writes it), a
made image must hold exactly these: a box that was cropped away or doubled would spoil the counts.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from generators import base
from pipelines.source.object_counts import NOTHING, contents, read_contents
from pipelines.validate.base import Batch, Verdict, first_faults
from pipelines.validate.image.pixels import sound_pixels
from schemas.errors import Fault, SpecError
from schemas.plan import Plan

Mask = NDArray[np.bool_]

_CONTENTS = "boxes"  # the column that describes the contents of an image
_ROUNDING = 0.01  # of a pixel: boxes are kept as float32


class BoxesParams(base.Params):
    """The least size of a box."""

    min_area: float = Field(1.0, ge=0, description="Least area of a box, in square pixels.")


class Boxes:
    """Refuses images with faulty boxes, or with other boxes than requested. Learns nothing from real rows.

    Example:
        validate: [{name: boxes, params: {min_area: 4}}]

    """

    name: ClassVar[str] = "boxes"
    Params: ClassVar[type[base.Params]] = BoxesParams

    def __init__(self, params: BoxesParams, plan: Plan) -> None:
        if plan.profile.objects is None:
            raise SpecError(Fault(("validate",), "boxes: the source has no boxes, only whole images; leave boxes out"))
        self._params = params
        self._image, self._objects = plan.profile.image, plan.profile.objects
        self._contents = _CONTENTS if plan.by == [_CONTENTS] else None

    def fit(self, real: Iterable[Batch]) -> None:
        """Learn nothing."""

    def check(self, batch: Batch) -> Verdict:
        """Refuse faulty images; each counts under the first of: box outside, box too small, box lost, other boxes."""
        table = batch.table
        if not table.num_rows:
            return Verdict(np.ones(0, np.bool_))
        objects = table.column(self._objects).combine_chunks()
        rows, boxes = _flatten_boxes(objects)
        limits = np.array([image.shape[1::-1] for image in sound_pixels(table.column(self._image))], np.float64)
        outside = (boxes[:, :2] < -_ROUNDING) | (boxes[:, :2] + boxes[:, 2:] > limits[rows] + _ROUNDING)
        small = ~(boxes[:, 2] * boxes[:, 3] >= self._params.min_area) | (boxes[:, 2:] <= 0).any(axis=1)
        bad = outside.any(axis=1) | np.isnan(boxes).any(axis=1)
        faults = {
            "box outside the image": _mark_rows(rows[bad], len(objects)),
            f"box of less than {self._params.min_area:g} square pixels": _mark_rows(rows[small], len(objects)),
        }
        if self._contents is not None:
            faults |= _compare_contents(contents(objects), table.column(self._contents).combine_chunks())
        return first_faults(len(objects), faults.items())

    def save(self, path: Path) -> None:
        """Write nothing."""

    def load(self, path: Path) -> None:
        """Read nothing."""


def _flatten_boxes(objects: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return all boxes, shape (boxes, 4), and the row of each; missing values are NaN."""
    rows = pc.list_parent_indices(objects).to_numpy().astype(np.int64)
    boxes = [box or [None] * 4 for box in pc.struct_field(pc.list_flatten(objects), "bbox").to_pylist()]
    return rows, np.array(boxes, np.float64).reshape(-1, 4)


def _mark_rows(rows: NDArray[np.int64], count: int) -> Mask:
    return np.bincount(rows, minlength=count) > 0


def _compare_contents(actual: pa.Array, promised: pa.Array) -> dict[str, Mask]:
    """Return which rows have fewer boxes of some class than promised, and which have others."""
    columns = zip(actual.to_pylist(), promised.to_pylist(), strict=True)
    pairs = [(read_contents(held or NOTHING), read_contents(wanted or NOTHING)) for held, wanted in columns]
    return {
        "lost a box": np.array([bool(Counter(wanted) - Counter(held)) for held, wanted in pairs], np.bool_),
        "other boxes than asked for": np.array([held != wanted for held, wanted in pairs], np.bool_),
    }
