"""The objects in an image: as arrays that are moved together with its pixels, and back. Knows no transform."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from generators.image.codec import Pixels
from schemas.arrow import MASKED_OBJECTS, OBJECTS

Objects = Sequence[Mapping[str, Any]]


def objects_name(table: pa.Table) -> str | None:
    """Return the name of the column that holds the objects, if there is one."""
    names = [field.name for field in table.schema if field.type in (OBJECTS, MASKED_OBJECTS)]
    return str(names[0]) if names else None


def to_arrays(objects: Objects, pixels: Pixels) -> dict[str, NDArray[Any]]:
    """Return `bboxes`, float64 (objects, 5), and of those with masks `masks`, uint8 (masks, height, width).

    A box is its left, upper, right and lower edge as shares of the image's width and height, and the object's number.
    """
    height, width = pixels.shape[:2]
    boxes = np.array([one["bbox"] for one in objects], np.float64).reshape(-1, 4)
    edges = np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]) / [width, height, width, height]
    arrays = {"bboxes": np.column_stack([edges, np.arange(len(edges))])}
    masks = [one["segmentation"] for one in objects if one.get("segmentation")]
    return {**arrays, "masks": _decoded(masks)} if masks else arrays


def from_arrays(
    objects: Objects, boxes: NDArray[Any], masks: NDArray[np.uint8] | None, pixels: Pixels
) -> list[dict[str, Any]]:
    """Return the objects whose boxes are left, as they lie in `pixels`: none reaches out of the image.

    The arrays are those of `to_arrays` after a transform. An object that is seen twice, mirrored at an edge, is two. A
    mask of which nothing is left is null.
    """
    if not len(boxes):
        return []
    placed = _inside(boxes[:, :4], pixels.shape[1], pixels.shape[0])
    numbers = boxes[:, 4].astype(np.int64)
    of_object = _masks_of(objects, masks)
    several = np.bincount(numbers, minlength=len(objects)) > 1
    found: list[dict[str, Any]] = []
    for box, number in zip(placed, numbers, strict=True):
        if not box[2:].all():
            continue
        one = {"bbox": box.tolist(), "category": objects[number]["category"]}
        if "segmentation" in objects[number]:
            mask = of_object.get(int(number))
            one["segmentation"] = _encoded(_cut(mask, box) if several[number] and mask is not None else mask)
        found.append(one)
    return found


def _masks_of(objects: Objects, masks: NDArray[np.uint8] | None) -> dict[int, NDArray[np.uint8]]:
    owners = [number for number, one in enumerate(objects) if one.get("segmentation")]
    return {} if masks is None else dict(zip(owners, masks, strict=True))


def _inside(edges: NDArray[Any], width: int, height: int) -> NDArray[np.float32]:
    """Return x, y, width and height in pixels; x + width and y + height pass no edge, in float32 and exactly."""
    size = np.array([width, height], np.float64)
    first = (np.clip(edges[:, :2], 0, 1) * size).astype(np.float32)
    last = np.clip(edges[:, 2:], 0, 1) * size
    extent = np.maximum(last - first, 0).astype(np.float32)
    beyond = first.astype(np.float64) + extent > size
    extent[beyond] = np.nextafter(extent[beyond], np.float32(0))
    return np.hstack([first, extent])


def _decoded(masks: Sequence[Mapping[str, Any]]) -> NDArray[np.uint8]:
    from pycocotools import mask as coco

    decoded = coco.decode([dict(mask) for mask in masks])
    return np.ascontiguousarray(np.moveaxis(decoded, 2, 0), np.uint8)


def _encoded(mask: NDArray[np.uint8] | None) -> dict[str, Any] | None:
    """Return the mask as COCO's compressed run lengths, or nothing if it is empty."""
    from pycocotools import mask as coco

    if mask is None or not mask.any():
        return None
    made = coco.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(made["size"]), "counts": made["counts"].decode()}


def _cut(mask: NDArray[np.uint8], box: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the part of the mask that lies in the box."""
    left, top = np.floor(box[:2]).astype(int)
    right, bottom = np.ceil(box[:2] + box[2:]).astype(int)
    cut = np.zeros_like(mask)
    cut[top:bottom, left:right] = mask[top:bottom, left:right]
    return cut
