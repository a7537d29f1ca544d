"""Reads COCO annotations (https://cocodataset.org/#format-data): one JSON file with all images, boxes and masks.

Regions that hold a crowd of objects (`iscrowd`) are left out: they are no box of one object.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from pipelines.read import marked
from pipelines.read.cells import Cells
from pipelines.read.files import CHUNK, Files, format_of, readable
from pipelines.read.marked import Marked
from schemas.errors import Fault, SourceError, SpecError, nearest
from schemas.spec import Source

BOXES_ALONE, MASKED = "objects", "masked objects"
MAX_PIXELS, MAX_OUTLINE = 1 << 28, 10_000_000
"""Of one mask: what is more is no annotation, and would take the memory of the machine."""


class _Image(BaseModel):
    id: int
    file_name: str = Field(min_length=1)
    width: int = Field(0, ge=0)
    height: int = Field(0, ge=0)


class _Category(BaseModel):
    id: int
    name: str = Field(min_length=1)


class _Annotation(BaseModel):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    segmentation: Any = None
    iscrowd: int = 0


class _Coco(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def columns(files: Files, _name: str, source: Source) -> dict[str, str]:
    """Return the columns: image, objects (with masks where there are any), boxes."""
    return marked.columns(source, _kind(_read(files, _annotations(files, source))))


def batches(files: Files, _name: str, source: Source, wanted: list[str] | None) -> Iterator[Cells]:
    """Yield the images in the order of the file, those without objects too."""
    name = _annotations(files, source)
    coco = _read(files, name)
    yield from marked.batches(files, _marked(coco, files.shown(name)), _kind(coco), wanted)


def _annotations(files: Files, source: Source) -> str:
    names = [name for name in files.names if format_of(name) == "coco"]
    if source.annotations is not None:
        if source.annotations not in names:
            problem = f"there is no {source.annotations!r} in {files.path}{nearest(source.annotations, names)}"
            raise SpecError(Fault(("source", "annotations"), problem))
        return source.annotations
    if len(names) != 1:
        found = f"there are {', '.join(names[:5])}" if names else f"there is no JSON file in {files.path}"
        raise SpecError(Fault(("source", "annotations"), f"which file holds the annotations? {found}; name it here"))
    return names[0]


def _read(files: Files, name: str) -> _Coco:
    place = files.shown(name)
    with readable(place), files.open(name, compression=None) as stream:
        data = b"".join(iter(lambda: stream.read(CHUNK), b""))
    try:
        return _Coco.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = ".".join(map(str, first["loc"]))
        needs = "it needs images, annotations and categories"
        raise SourceError(f"{place}: is no COCO file: {at}: {first['msg']}; {needs}") from error


def _kind(coco: _Coco) -> str:
    return MASKED if any(one.segmentation and not one.iscrowd for one in coco.annotations) else BOXES_ALONE


def _marked(coco: _Coco, place: str) -> Iterator[Marked]:
    names = {category.id: category.name for category in coco.categories}
    images = {image.id: image for image in coco.images}
    if len(images) < len(coco.images):
        raise SourceError(f"{place}: two images have the same id; give each image one of its own")
    objects: dict[int, list[dict[str, Any]]] = {image.id: [] for image in coco.images}
    for number, one in enumerate(coco.annotations):
        if one.image_id not in images or one.category_id not in names:
            kind, got = ("image", one.image_id) if one.image_id not in images else ("category", one.category_id)
            raise SourceError(f"{place}: annotation {number} is of {kind} {got}, which is not listed; list it")
        if not one.iscrowd:
            segmentation = _mask(one.segmentation, images[one.image_id], f"{place}: annotation {number}")
            objects[one.image_id].append(
                {"bbox": list(one.bbox), "category": names[one.category_id], "segmentation": segmentation}
            )
    for image in coco.images:
        yield Marked(image.file_name, objects[image.id])


def _mask(segmentation: Any, image: _Image, place: str) -> dict[str, Any] | None:
    """Return polygons or run lengths as compressed run lengths; nothing where there is no mask."""
    if not segmentation:
        return None
    from pycocotools import mask

    try:
        _refuse_wild(segmentation, image)
        made = mask.frPyObjects(segmentation, image.height, image.width)
        whole = mask.merge(made) if isinstance(made, list) else made
    except Exception as error:
        raise SourceError(f"{place}: its segmentation cannot be read: {error}; mend it") from error
    return {"size": list(map(int, whole["size"])), "counts": whole["counts"].decode()}


def _refuse_wild(segmentation: Any, image: _Image) -> None:
    """Raise for what pycocotools takes on trust, and would crash on: it allocates by the numbers that it is given."""
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"its image has {image.width:,} x {image.height:,} pixels, which is too large for masks")
    if isinstance(segmentation, dict):
        size, runs = list(segmentation["size"]), segmentation["counts"]
        if isinstance(runs, str) or size != [image.height, image.width] or sum(runs) != image.height * image.width:
            raise ValueError(
                f"it needs a list of runs that cover the image's {image.width:,} x {image.height:,} pixels"
            )
        return
    for polygon in segmentation:
        points = np.asarray(polygon, np.float64).reshape(-1, 2)
        edges = np.abs(points - np.roll(points, 1, axis=0)).max(axis=1)
        if len(points) < 3 or not edges.sum() <= MAX_OUTLINE:
            raise ValueError(f"a polygon needs three points or more, and {MAX_OUTLINE:,} pixels of outline at most")
