"""Cuts boxes to their images, and moves them when the images are resized.

This module knows arrays of objects and sizes, but no files and no pixels.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.source.image.pixels import geometry
from pipelines.source.object_counts import contents
from schemas.arrow import BBOX
from schemas.spec import Images

__all__ = ["BOXES", "OBJECTS", "contents", "mend", "move"]
OBJECTS = "objects"
"""The name of the column with the objects."""
BOXES = "boxes"
"""The name of the column with an image's number of objects of each class."""
LABEL = "category"
"""The name of the class within an object."""
_ROUNDING = 1.0
"""Pixels by which a box may cross the edge without being faulty: some tools count from 1, or to the last pixel."""

Sizes = Sequence[tuple[int, int]]


def mend(objects: pa.Array, sizes: Sizes) -> tuple[pa.Array, list[tuple[int, str]], list[int]]:
    """Return the objects with boxes cut to their images (width, height), the faults, and the rows of small cuts.

    Boxes without area in the image are left out. The faults are the row and the reason of each box that was left out
    or cut by more than a pixel. The third value holds the row of each box that was cut by less.
    """
    rows, boxes = _flat(objects)
    limits = np.array(sizes, np.float32).reshape(-1, 2)[rows]
    cut = _cut(boxes, limits)
    empty = np.logical_not((boxes[:, 2:] > 0).all(axis=1))
    outside = ~empty & np.logical_not((cut[:, 2:] > 0).all(axis=1))
    crossing = ~empty & ~outside & (np.abs(cut - boxes) > _ROUNDING).any(axis=1)
    faults = []
    for mask, reason in ((empty, "no area"), (outside, "outside the image"), (crossing, "across the edge")):
        faults += [(int(row), reason) for row in rows[mask]]
    little = ((boxes[:, :2] < 0) | (boxes[:, :2] + boxes[:, 2:] > limits)).any(axis=1) & ~(empty | outside | crossing)
    return _rebuilt(objects, rows, cut, ~(empty | outside)), sorted(faults), rows[little].tolist()


def move(objects: pa.Array, sizes: Sizes, rules: Images) -> pa.Array:
    """Return the objects with their boxes moved as `pixels.resize` moves the image's points."""
    if rules.size is None:
        return objects
    rows, boxes = _flat(objects)
    moves = np.array([geometry(size, rules) for size in sizes], np.float32).reshape(-1, 4)[rows]
    boxes = boxes * np.tile(moves[:, :2], 2) + np.pad(moves[:, 2:], ((0, 0), (0, 2)))
    return _rebuilt(objects, rows, _cut(boxes, np.array(rules.size, np.float32)), np.ones(len(rows), np.bool_))


def _cut(boxes: NDArray[np.float32], limits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the boxes cut to the range from 0 to their limits (width, height)."""
    low = np.clip(boxes[:, :2], 0, limits)
    high = np.clip(boxes[:, :2] + boxes[:, 2:], 0, limits)
    return np.concatenate([low, high - low], axis=1)


def _flat(objects: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the row of each object (int64), and the boxes (float32, shape (objects, 4))."""
    lengths = np.asarray(objects.value_lengths().fill_null(0))
    boxes = objects.flatten().field("bbox").flatten()
    return np.repeat(np.arange(len(objects)), lengths), np.asarray(boxes, np.float32).reshape(-1, 4)


def _rebuilt(
    objects: pa.Array, rows: NDArray[np.int64], boxes: NDArray[np.float32], keep: NDArray[np.bool_]
) -> pa.Array:
    flat = objects.flatten()
    values = [pa.FixedSizeListArray.from_arrays(pa.array(boxes.ravel(), pa.float32()), type=BBOX)]
    values += [flat.field(field.name) for field in list(flat.type)[1:]]
    kept = pa.StructArray.from_arrays(values, fields=list(flat.type)).filter(pa.array(keep))
    counts = np.bincount(rows[keep], minlength=len(objects))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), kept, type=objects.type)
