"""Reads COCO annotations (https://cocodataset.org/#format-data): one JSON file with all images, boxes and masks.

Regions that hold a crowd of objects (`iscrowd`) are left out: they are no box of one object.
"""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from pipelines.read import marked
from pipelines.read.cells import Cells
from pipelines.read.files import Files, format_of, readable
from pipelines.read.marked import Marked
from pipelines.read.masks import given
from schemas.errors import Fault, SourceError, SpecError, nearest
from schemas.spec import Source

BOXES_ALONE, MASKED = "objects", "masked objects"


def _nothing(box: Any) -> Any:
    """Read an empty list as no box."""
    return None if box == [] else box


def _zero(crowd: Any) -> Any:
    return 0 if crowd is None else crowd


def _named(value: Any) -> str:
    """Read whole numbers and texts alike: some tools write `7`, some `"7"`, and pandas writes `7.0`."""
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
        """Its width and height, if they are given; some tools write zeros where they do not know them."""
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
    yield from marked.batches(files, _marked(coco, files.shown(name)), _kind(coco), source, wanted)


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
        data = bytes(stream.read())
    try:
        return _Coco.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = ".".join(map(str, first["loc"]))
        needs = "it needs images, annotations and categories"
        raise SourceError(f"{place}: is no COCO file: {at}: {first['msg']}; {needs}") from error


def _kind(coco: _Coco) -> str:
    return MASKED if any(given(one.segmentation) and not one.iscrowd for one in coco.annotations) else BOXES_ALONE


def _marked(coco: _Coco, place: str) -> Iterator[Marked]:
    names = {category.id: category.name for category in coco.categories}
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
        yield Marked(image.file_name, objects[image.id], image.size)


def _object(one: _Annotation, category: str, told: str) -> dict[str, Any]:
    mask = given(one.segmentation)
    if one.bbox is None and mask is None:
        raise SourceError(f"{told}: it has neither a bbox nor a segmentation; give it one of them")
    return {"bbox": one.bbox and list(one.bbox), "category": category, "segmentation": mask, "told": told}
