"""Images whose objects are marked in files of their own: the hand-off between annotations and rows.

Knows which file is whose, not how annotations are written: `voc` and `coco` do.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa

from pipelines.read.cells import Cells
from pipelines.read.files import Files, format_of
from pipelines.read.images import NAME, read_images
from pipelines.read.marks import BOXES, LABEL, OBJECTS, contents
from schemas.arrow import arrow_type
from schemas.errors import Fault, SourceError, SpecError
from schemas.spec import Source

_AT_ONCE = 256


@dataclass(frozen=True)
class Marked:
    """One image by the name that its annotation gives it, and the objects in it, as dicts of `schemas.arrow`."""

    image: str
    objects: Sequence[dict[str, Any]]


def columns(source: Source, kind: str) -> dict[str, str]:
    """Return the columns of every source of marked images; raises SpecError for a label that is no box's class."""
    if source.label not in (LABEL, BOXES):
        problem = f"a box carries its class as {LABEL!r}, got {source.label!r}; set it to {LABEL}"
        raise SpecError(Fault(("source", "label"), problem))
    return {NAME: "image", OBJECTS: kind, BOXES: "string"}


def batches(files: Files, marked: Iterable[Marked], kind: str, wanted: list[str] | None) -> Iterator[Cells]:
    """Yield the images with their objects, many at a time; an image that is not there is null, with its name."""
    index = _Index(files)
    rest = iter(marked)
    while some := list(islice(rest, _AT_ONCE)):
        done = 0
        found = [index.take(one.image) for one in some]
        for names, images in read_images(files, found):
            part = some[done : done + len(names)]
            done += len(names)
            yield _cells(part, images, kind, wanted)


def _cells(part: Sequence[Marked], images: pa.Array, kind: str, wanted: list[str] | None) -> Cells:
    named = pa.StructArray.from_arrays(
        [images.field("bytes"), pa.array([one.image for one in part], pa.string())], fields=list(images.type)
    )
    objects = pa.array([list(one.objects) for one in part], arrow_type(kind))
    made = {NAME: named, OBJECTS: objects, BOXES: contents(objects)}
    # boxes are counted in objects that lie in the image: neither can be read without the other two
    chosen = made if wanted is None or {OBJECTS, BOXES}.intersection(wanted) else {NAME: named}
    types = {NAME: "image", OBJECTS: kind, BOXES: "string"}
    return Cells(chosen, {name: types[name] for name in chosen}, len(part))


class _Index:
    """The image files of a source, by their path, their name, and their name without its ending."""

    def __init__(self, files: Files) -> None:
        self.paths = {name for name in files.names if format_of(name) == "images"}
        self.known: dict[str, list[str]] = {}
        for path in sorted(self.paths):
            name = os.path.basename(path)
            for key in {name, os.path.splitext(name)[0]}:
                self.known.setdefault(key, []).append(path)
        self.place = files.path
        self.taken: set[str] = set()

    def take(self, name: str) -> str | None:
        """Do as `find` does; raises SourceError for an image that was taken before."""
        found = self.find(name)
        if found in self.taken:
            raise SourceError(f"{self.place}: {name!r} is annotated twice; put its objects together")
        self.taken |= {found} if found else set()
        return found

    def find(self, name: str) -> str | None:
        """Return the path of the image that an annotation names, or nothing; raises SourceError where it is unclear."""
        if name in self.paths:
            return name
        file = os.path.basename(name.replace("\\", "/"))
        found = self.known.get(file) or self.known.get(os.path.splitext(file)[0], [])
        ending = [path for path in found if path.endswith(f"/{name}")] or found
        if len(ending) > 1:
            listed = ", ".join(ending[:3])
            raise SourceError(f"{self.place}: an annotation names {name!r}, which may be {listed}; give it its folder")
        return ending[0] if ending else None
