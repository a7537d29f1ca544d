"""Converts COCO's masks (polygons, run lengths as numbers or as text) to compressed run lengths.

pycocotools does not check the numbers from which it allocates memory, so they are checked here first.
"""

from typing import Any

import numpy as np

from pipelines.source.image.pixels import upright

MAX_PIXELS, MAX_OUTLINE = 1 << 28, 10_000_000
"""The most pixels and the longest outline (in pixels) of one mask; larger ones would exhaust the machine's memory."""
_LEAST = 48
"""The code of the smallest letter in a text of run lengths; a letter holds 6 bits."""

Size = tuple[int, int]


def given(segmentation: Any) -> Any:
    """Return the mask without empty polygons, or None if nothing is left, as of `[[]]`."""
    if isinstance(segmentation, list):
        segmentation = [part for part in segmentation if part != []]
    return segmentation or None


def declared_size(segmentation: Any) -> Size | None:
    """Return the width and height that run lengths declare; None for polygons, which declare none."""
    size = segmentation.get("size") if isinstance(segmentation, dict) else None
    if isinstance(size, list) and len(size) == 2 and all(isinstance(side, int) for side in size):
        return int(size[1]), int(size[0])
    return None


def compressed(segmentation: Any, size: Size, orientation: int = 1) -> dict[str, Any]:
    """Return a mask as compressed run lengths, turned upright; `size` is the (width, height) before the turn.

    Raises ValueError, or an error of pycocotools, if the segmentation is no mask.
    """
    from pycocotools import mask

    width, height = size
    _refuse_wild(segmentation, size)
    if isinstance(segmentation, dict):
        runs = segmentation["counts"]
        listed = runs_of(runs) if isinstance(runs, str) else runs
        _refuse_uncovering(listed, segmentation, size)
        whole = mask.frPyObjects({"size": [height, width], "counts": listed}, height, width)
    else:
        whole = mask.merge(mask.frPyObjects(segmentation, height, width))
    if orientation != 1:
        whole = mask.encode(np.asfortranarray(upright(mask.decode(whole), orientation)))
    return {"size": list(map(int, whole["size"])), "counts": whole["counts"].decode()}


def box_of(mask_: dict[str, Any]) -> list[float]:
    """Return the box around a compressed mask: x, y, width, height."""
    from pycocotools import mask

    return [float(number) for number in mask.toBbox({**mask_, "counts": mask_["counts"].encode()})]


def runs_of(text: str) -> list[int]:
    """Return the run lengths that pycocotools wrote as text (rleToString in its maskApi.c).

    Raises ValueError for a text that pycocotools does not write.
    """
    runs: list[int] = []
    value = shift = 0
    for letter in text:
        code = ord(letter) - _LEAST
        if not 0 <= code < 64 or shift > 60:
            raise ValueError("its run lengths are no text that pycocotools writes")
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            value -= (code & 16) << (shift - 4) if code & 16 else 0
            runs.append(value + runs[-2] if len(runs) > 2 else value)
            value = shift = 0
    if shift:
        raise ValueError("its run lengths end in the middle")
    return runs


def _refuse_wild(segmentation: Any, size: Size) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise ValueError(f"its image has {size[0]:,} x {size[1]:,} pixels, which is too large for masks")
    if isinstance(segmentation, dict):
        return
    for polygon in segmentation:
        if not isinstance(polygon, list) or len(polygon) % 2 or any(isinstance(one, list) for one in polygon):
            raise ValueError("it is no list of polygons, each one list of numbers x1, y1, x2, y2, …")
        points = np.asarray(polygon, np.float64).reshape(-1, 2)
        edges = np.abs(points - np.roll(points, 1, axis=0)).max(axis=1)
        if len(points) < 3 or not edges.sum() <= MAX_OUTLINE:
            raise ValueError(f"a polygon needs three points or more, and {MAX_OUTLINE:,} pixels of outline at most")


def _refuse_uncovering(runs: list[int], segmentation: dict[str, Any], size: Size) -> None:
    width, height = size
    declared = segmentation["size"]
    if list(declared) != [height, width]:
        raise ValueError(f"it is of {_shown(declared)} pixels (height, width), and its image of {[height, width]}")
    if sum(runs) != height * width or min(runs) < 0:
        raise ValueError(f"it needs runs that cover the image's {width:,} x {height:,} pixels")


def _shown(size: Any) -> str:
    return repr(size)[:40]
