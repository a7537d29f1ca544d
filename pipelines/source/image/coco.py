"""Reads COCO annotations (https://cocodataset.org/#format-data): JSON files, each with images, boxes and masks.

Regions of crowds (`iscrowd`) are left out, since they are no box of one object. Keypoints are not read.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from pipelines.source.cells import Cells
from pipelines.source.files import CHUNK, Files, format_of, readable
from pipelines.source.formats import Format
from pipelines.source.image import annotated
from pipelines.source.image.annotated import Marked
from pipelines.source.image.masks import given
from pipelines.source.kinds import HEAD, begins_as_coco, is_coco
from pipelines.source.unread_files import unread
from schemas.errors import Fault, SourceError, SpecError, join_first, nearest
from schemas.spec import Source

BOXES, MASKED = "objects", "masked objects"


def _nothing(box: Any) -> Any:
    """Return None for an empty list, which means no box, else the value."""
    return None if box == [] else box


def _zero(crowd: Any) -> Any:
    return 0 if crowd is None else crowd


def _named(value: Any) -> str:
    """Return a whole number or a text as text: some tools write `7`, some `"7"`, and pandas writes `7.0`."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("should be a whole number or a text")
    return str(value)


Name = Annotated[str, BeforeValidator(_named)]


class _Image(BaseModel):
    id: Name
    file_name: str = Field(min_length=1)
    width: int | None = Field(None, ge=0)
    height: int | None = Field(None, ge=0)

    @property
    def size(self) -> tuple[int, int] | None:
        """The width and height of the image, or None; some tools write zeros for an unknown size."""
        return (self.width, self.height) if self.width and self.height else None


class _Category(BaseModel):
    id: Name
    name: Name = Field(min_length=1)


class _Annotation(BaseModel):
    image_id: Name
    category_id: Name
    bbox: Annotated[tuple[float, float, float, float] | None, BeforeValidator(_nothing)] = None
    segmentation: Any = None
    iscrowd: Annotated[int, BeforeValidator(_zero)] = 0
    keypoints: Any = None


class _Coco(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def columns(files: Files, _name: str, source: Source) -> dict[str, str]:
    """Return the columns: image, objects (with masks where there are any), boxes."""
    return annotated.columns(source, _looked(files, source).kind)


def batches(files: Files, _name: str, source: Source, wanted: list[str] | None) -> Iterator[Cells]:
    """Yield the images in the order of the annotations, including those without objects."""
    names, kind = _annotations(files, source), _looked(files, source).kind
    found = (one for name in names for one in _marked(_read(files, name), files, name, several=len(names) > 1))
    yield from annotated.batches(files, found, kind, source, wanted)


def _annotations(files: Files, source: Source) -> list[str]:
    """Return the names of the annotation files: those that the spec names, or one in each folder."""
    known = [name for name in files.names if format_of(name) == "coco"]
    if source.annotations:
        asked = [source.annotations] if isinstance(source.annotations, str) else source.annotations
        for name in asked:
            if name not in known:
                problem = f"there is no {name!r} in {files.path}{nearest(name, known)}"
                raise SpecError(Fault(("source", "annotations"), problem))
        return asked
    names = [name for name in known if is_coco(name)] or [name for name in known if _begins(files, name)] or known
    instances = [name for name in names if os.path.basename(name).startswith("instances")]  # beside captions, keypoints
    names = instances if len(instances) == 1 else names
    if not names or len({os.path.dirname(name) for name in names}) < len(names):
        found = f"there are {', '.join(names[:5])}" if names else f"there is no JSON file in {files.path}"
        problem = f"which file holds the annotations? {found}; name it here, or a list of those that belong together"
        raise SpecError(Fault(("source", "annotations"), problem))
    return names


def _begins(files: Files, name: str) -> bool:
    with readable(files.shown(name)), files.open(name, compression=None) as stream:
        return begins_as_coco(bytes(stream.read(HEAD)))


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


@dataclass
class _Looked:
    """Facts about all annotations, which are needed before the first row is made."""

    kind: str = BOXES
    crowds: int = 0
    keypoints: int = 0
    alike: set[str] = field(default_factory=set)

    def observe(self, coco: _Coco) -> None:
        """Add one annotation file."""
        for one in coco.annotations:
            self.crowds += bool(one.iscrowd)
            self.keypoints += bool(one.keypoints)
            if self.kind == BOXES and not one.iscrowd and given(one.segmentation):
                self.kind = MASKED
        counts = Counter({one.id: one.name for one in coco.categories}.values())
        self.alike |= {category for category, ids in counts.items() if ids > 1}


def _looked(files: Files, source: Source) -> _Looked:
    """Return the facts about all annotations, cached since the files may be large."""
    names = _annotations(files, source)
    key = ("annotations", *names)
    if key not in files.memo:
        looked = _Looked()
        for name in names:
            looked.observe(_read(files, name))
        files.memo[key] = looked
    found: _Looked = files.memo[key]
    return found


def _marked(coco: _Coco, files: Files, name: str, *, several: bool) -> Iterator[Marked]:
    place, base = files.shown(name), os.path.dirname(name)
    names = _categories(coco, place)
    images = {image.id: image for image in coco.images}
    if len(images) < len(coco.images):
        raise SourceError(f"{place}: two images have the same id; give each image one of its own")
    objects: dict[str, list[dict[str, Any]]] = {image.id: [] for image in coco.images}
    for number, one in enumerate(coco.annotations):
        if one.image_id not in images or one.category_id not in names:
            kind, got = ("image", one.image_id) if one.image_id not in images else ("category", one.category_id)
            raise SourceError(f"{place}: annotation {number} is of {kind} {got}, which is not listed; list it")
        if not one.iscrowd:
            told = f"{place}: annotation {number} of {images[one.image_id].file_name}"
            objects[one.image_id].append(_object(one, names[one.category_id], told))
    for image in coco.images:
        path = f"{base}/{image.file_name}".lstrip("/") if several else image.file_name
        yield Marked(image.file_name, objects[image.id], image.size, base, path)


def _categories(coco: _Coco, place: str) -> dict[str, str]:
    """Return the names of the categories by id; raise SourceError if two categories share an id."""
    names: dict[str, str] = {}
    for one in coco.categories:
        if names.setdefault(one.id, one.name) != one.name:
            both = f"{names[one.id]!r} and {one.name!r}"
            raise SourceError(
                f"{place}: two categories, {both}, have the id {one.id}; give each category one of its own"
            )
    return names


def lost(files: Files, source: Source) -> list[str]:
    """Return sentences on annotations that are not read and on images without annotation."""
    names, looked = _annotations(files, source), _looked(files, source)
    said = [f"Regions that hold a crowd (iscrowd), which are left out: {looked.crowds:,}."] if looked.crowds else []
    said += [f"Objects with keypoints, which are not read: {looked.keypoints:,}."] if looked.keypoints else []
    alike = join_first(sorted(looked.alike))
    said += [f"Categories of one name and several ids, which are one class: {alike}."] if looked.alike else []
    others = [name for name in files.names if format_of(name) == "coco" and name not in names]
    said += [f"JSON files that are not read: {len(others):,}, such as {others[0]}."] if others else []
    return [*said, *annotated.rounded(files), *annotated.untaken(files), *unread(files)]


def _object(one: _Annotation, category: str, told: str) -> dict[str, Any]:
    mask = given(one.segmentation)
    if one.bbox is None and mask is None:
        raise SourceError(f"{told}: it has neither a bbox nor a segmentation; give it one of them")
    return {"bbox": one.bbox and list(one.bbox), "category": category, "segmentation": mask, "told": told}


FORMAT = Format(columns, batches, together=True, declared=True, lost=lost, label=lambda *_: "category")
