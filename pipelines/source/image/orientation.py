"""Converts boxes and masks to the coordinates of the upright image, which is the one that is published.

EXIF data may say that an image has to be turned. Annotations may refer to the stored image or to the upright one; the
size that they declare tells which. This module knows sizes, boxes and masks, but no files.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pipelines.source.image import masks
from pipelines.source.image.masks import Size
from pipelines.source.image.pixels import Frame
from schemas.errors import SourceError

MarkedOn = Literal["stored", "upright"]
Marks = Sequence[Mapping[str, Any]]


def settle(marks: Marks, declared: Size | None, frame: Frame | None, on: MarkedOn | None) -> list[Any]:
    """Return the objects of one image (dicts of `schemas.arrow`), in the coordinates of the upright image.

    `marks` are objects as annotations write them: `bbox` may be missing if there is a `segmentation`, and `told` names
    the object and its image in messages. `declared` is the image's width and height in the annotation, `frame` its
    stored size and orientation; without a frame the masks are left out. Raises SourceError if the sizes do not fit.
    """
    if frame is None or not marks:
        return [_without_mask(one) for one in marks]
    sizes = [declared, *(masks.declared_size(one.get("segmentation")) for one in marks)]
    stored = _on_stored(next((size for size in sizes if size), None), frame, on, marks[0]["told"])
    size = frame.size if stored else frame.upright
    return [_settled(one, size, frame.orientation if stored else 1) for one in marks]


def in_pixels(marks: Marks, size: Size) -> list[dict[str, Any]]:
    """Return marks, given as shares of an image's width and height, in pixels."""
    width, height = size
    found = []
    for one in marks:
        box, outlines = one["bbox"], one.get("segmentation")
        changes = {"bbox": box and [n * side for n, side in zip(box, (width, height) * 2, strict=True)]}
        if outlines:
            changes["segmentation"] = [
                [number * size[place % 2] for place, number in enumerate(outline)] for outline in outlines
            ]
        found.append({**one, **changes})
    return found


def _on_stored(declared: Size | None, frame: Frame, on: MarkedOn | None, place: str) -> bool:
    """Whether the marks refer to the stored image, not the upright one; raise SourceError if that is unclear."""
    if on is not None:
        return on == "stored"
    if frame.turned and declared is None:
        raise SourceError(
            f"{place}: it is turned by its EXIF data, and its annotation does not say what size it has: say in"
            " source.marked_on whether its marks lie in the stored image or in the upright one"
        )
    if declared in (None, frame.size):
        return True
    if declared == frame.upright:
        return False
    raise SourceError(
        f"{place}: its annotation says {_shown(declared)} pixels, and the image has {_shown(frame.size)}"
        f"{f' ({_shown(frame.upright)} once it is upright)' * frame.turned}, so that its marks may not fit; mend the"
        " annotation, or say in source.marked_on that they are in pixels of the stored image (or of the upright one)"
    )


def _shown(size: Size | None) -> str:
    return "no" if size is None else f"{size[0]:,} x {size[1]:,}"


def _settled(one: Mapping[str, Any], size: Size, orientation: int) -> dict[str, Any]:
    found = {"bbox": one.get("bbox"), "category": one["category"]}
    if "segmentation" not in one:
        return {**found, "bbox": turned_box(one["bbox"], size, orientation)}
    mask = _mask(one, size, orientation)
    if found["bbox"] is not None:
        found["bbox"] = turned_box(found["bbox"], size, orientation)
    else:
        found["bbox"] = masks.box_of(mask) if mask else [0.0] * 4
    return {**found, "segmentation": mask}


def _mask(one: Mapping[str, Any], size: Size, orientation: int) -> dict[str, Any] | None:
    if not one["segmentation"]:
        return None
    try:
        return masks.compressed(one["segmentation"], size, orientation)
    except Exception as error:
        raise SourceError(f"{one['told']}: its segmentation cannot be read: {error}; mend it") from error


def _without_mask(one: Mapping[str, Any]) -> dict[str, Any]:
    found = {"bbox": one.get("bbox") or [0.0] * 4, "category": one["category"]}
    return {**found, "segmentation": None} if "segmentation" in one else found


def turned_box(box: Sequence[float], size: Size, orientation: int) -> list[float]:
    """Return a box (x, y, width, height) of a stored image of `size`, in the coordinates of the upright image."""
    x, y, width, height = box
    right, below = size[0] - x - width, size[1] - y - height
    across = {1: x, 2: right, 3: right, 4: x, 5: y, 6: below, 7: below, 8: y}[orientation]
    down = {1: y, 2: y, 3: below, 4: below, 5: x, 6: x, 7: right, 8: right}[orientation]
    return [across, down, *((height, width) if orientation > 4 else (width, height))]
