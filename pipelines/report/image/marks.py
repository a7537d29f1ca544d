"""Boxes and masks that are drawn over an image, as SVG shapes. Knows one image at a time, nothing of pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from generators.image.codec import Pixels
from pipelines.report.image.thumbnails import Thumbnail, thumbnail
from pipelines.report.wording import label

COLOURS, DASHES = 7, 3
"""So many classes can be told apart, by the colour and the dashes of their lines; further ones look alike."""
SIDE, MOST_BYTES, MOST_MARKS, MOST_POINTS = 320, 60_000, 100, 200
_TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class Mark:
    """One object: its class, the look of its lines, its box within the image, and the outline of its mask, if any."""

    name: str
    look: str
    x: float
    y: float
    width: float
    height: float
    outline: str


@dataclass(frozen=True)
class Marked:
    """An image with its marks, in pixels of the whole image; `caption` says in words what they are."""

    thumbnail: Thumbnail
    width: int
    height: int
    marks: list[Mark]
    caption: str
    left_out: int


def look_of(number: int) -> str:
    """Return the CSS classes of class number `number`."""
    if number >= COLOURS * DASHES:
        return "mark-other"
    return f"mark-{number % COLOURS} dash-{number // COLOURS}"


def mark_image(pixels: Pixels, objects: Sequence[Mapping[str, Any]] | None, looks: Mapping[str, str]) -> Marked:
    """Return the image with its objects, the largest first, so that small ones lie on top."""
    height, width = pixels.shape[:2]
    marks = [mark for one in objects or [] if (mark := _mark(one, width, height, looks))]
    marks.sort(key=lambda mark: -mark.width * mark.height)
    shown = marks[:MOST_MARKS]
    small = thumbnail(pixels, SIDE, MOST_BYTES)
    return Marked(small, width, height, shown, describe_objects(objects), len(marks) - len(shown))


def describe_objects(objects: Sequence[Mapping[str, Any]] | None) -> str:
    """Return how many objects of each class there are, in words."""
    names = [str(one["category"]) for one in objects or []]
    counts = {name: names.count(name) for name in sorted(set(names))}
    return ", ".join(f"{number:,} {_TIMES} {label(name, 32)}" for name, number in counts.items()) or "no box"


def _mark(item: Mapping[str, Any], width: int, height: int, looks: Mapping[str, str]) -> Mark | None:
    """Return the mark of one object, cut at the image's edges; None for a box outside the image."""
    x, y, w, h = item["bbox"]
    left, top = (min(max(value, 0.0), most) for value, most in ((x, width), (y, height)))
    right, bottom = (min(max(value, 0.0), most) for value, most in ((x + w, width), (y + h, height)))
    if not (right > left and bottom > top):
        return None
    name = str(item["category"])
    outline = _outline(item["segmentation"], max(width, height)) if item.get("segmentation") else ""
    return Mark(name, looks.get(name, "mark-other"), left, top, right - left, bottom - top, outline)


def _outline(mask: Mapping[str, Any], longest: int) -> str:
    """Return the edge of a mask as an SVG path, in visible detail only; islands and holes are parts of it."""
    import cv2
    from pycocotools import mask as coco

    inside: Any = coco.decode({"size": list(mask["size"]), "counts": mask["counts"].encode()})
    edges, _ = cv2.findContours(np.ascontiguousarray(inside), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    coarse = [cv2.approxPolyDP(edge, longest / SIDE, True).reshape(-1, 2) for edge in edges]
    parts: list[str] = []
    points = 0
    for edge in sorted((edge for edge in coarse if len(edge) > 2), key=len, reverse=True):
        points += len(edge)
        if points > MOST_POINTS and parts:
            break
        parts.append("M" + "L".join(f"{x} {y}" for x, y in edge.tolist()) + "Z")
    return "".join(parts)


def with_images(table: pa.Table, column: str) -> pa.Table:
    """Return the rows that have an image."""
    return table.filter(pc.is_valid(pc.struct_field(table[column], "bytes")))
