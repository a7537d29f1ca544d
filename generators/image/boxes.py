"""Turns the objects in an image into arrays that move with its pixels, and back. Knows no transform."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from generators.image.codec import Pixels
from schemas.arrow import MASKED_OBJECTS, OBJECTS

Objects = Sequence[Mapping[str, Any]]


def objects_name(table: pa.Table) -> str | None:
    """Return the name of the column of objects, or None if there is none."""
    names = [field.name for field in table.schema if field.type in (OBJECTS, MASKED_OBJECTS)]
    return str(names[0]) if names else None


def to_arrays(objects: Objects, pixels: Pixels) -> dict[str, NDArray[Any]]:
    """Return `bboxes`, float64 (objects, 5), and `masks`, uint8 (masks, height, width), where objects have masks.

    A box is its left, upper, right and lower edge as shares of the image's width and height, and the object's number.
    """
    height, width = pixels.shape[:2]
    boxes = np.array([item["bbox"] for item in objects], np.float64).reshape(-1, 4)
    edges = np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]) / [width, height, width, height]
    arrays = {"bboxes": np.column_stack([edges, np.arange(len(edges))])}
    masks = [item["segmentation"] for item in objects if item.get("segmentation")]
    return {**arrays, "masks": _decode_masks(masks)} if masks else arrays


def from_arrays(
    objects: Objects, boxes: NDArray[Any], masks: NDArray[np.uint8] | None, pixels: Pixels
) -> list[dict[str, Any]]:
    """Return the objects whose boxes are left, with their position in `pixels`; none reaches out of the image.

    The arrays are those of `to_arrays` after a transform. An object that is mirrored at an edge, and so seen twice,
    becomes two. A mask that became empty is null.
    """
    if not len(boxes):
        return []
    pixel_boxes = _clip_boxes(boxes[:, :4], pixels.shape[1], pixels.shape[0])
    numbers = boxes[:, 4].astype(np.int64)
    of_object = _masks_by_object(objects, masks)
    several = np.bincount(numbers, minlength=len(objects)) > 1
    kept_objects: list[dict[str, Any]] = []
    for box, number in zip(pixel_boxes, numbers, strict=True):
        if not box[2:].all():
            continue
        changed = {"bbox": box.tolist(), "category": objects[number]["category"]}
        if "segmentation" in objects[number]:
            mask = of_object.get(int(number))
            changed["segmentation"] = _encode_mask(
                _cut_mask(mask, box) if several[number] and mask is not None else mask
            )
        kept_objects.append(changed)
    return kept_objects


def _masks_by_object(objects: Objects, masks: NDArray[np.uint8] | None) -> dict[int, NDArray[np.uint8]]:
    owners = [number for number, item in enumerate(objects) if item.get("segmentation")]
    return {} if masks is None else dict(zip(owners, masks, strict=True))


def _clip_boxes(edges: NDArray[Any], width: int, height: int) -> NDArray[np.float32]:
    """Return x, y, width and height in pixels, cut to the image.

    x + width and y + height pass no edge, in float32 and exactly.
    """
    size = np.array([width, height], np.float64)
    first = (np.clip(edges[:, :2], 0, 1) * size).astype(np.float32)
    last = np.clip(edges[:, 2:], 0, 1) * size
    extent = np.maximum(last - first, 0).astype(np.float32)
    beyond = first.astype(np.float64) + extent > size
    extent[beyond] = np.nextafter(extent[beyond], np.float32(0))
    return np.hstack([first, extent])


def _decode_masks(masks: Sequence[Mapping[str, Any]]) -> NDArray[np.uint8]:
    from pycocotools import mask as coco

    decoded = coco.decode([dict(mask) for mask in masks])
    return np.ascontiguousarray(np.moveaxis(decoded, 2, 0), np.uint8)


def _encode_mask(mask: NDArray[np.uint8] | None) -> dict[str, Any] | None:
    """Return the mask as COCO's compressed run lengths, or None if it is empty."""
    from pycocotools import mask as coco

    if mask is None or not mask.any():
        return None
    encoded = coco.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(encoded["size"]), "counts": encoded["counts"].decode()}


def _cut_mask(mask: NDArray[np.uint8], box: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the part of the mask that lies in the box."""
    left, top = np.floor(box[:2]).astype(int)
    right, bottom = np.ceil(box[:2] + box[2:]).astype(int)
    cut = np.zeros_like(mask)
    cut[top:bottom, left:right] = mask[top:bottom, left:right]
    return cut
