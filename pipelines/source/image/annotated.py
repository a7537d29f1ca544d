"""Turns images and their annotations, which lie in separate files, into rows.

This module matches images with annotations; `coco`, `voc` and `yolo` read the annotations.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa

from pipelines.source.cells import Cells
from pipelines.source.files import Files, format_of, readable
from pipelines.source.image.boxes import BOXES, LABEL, OBJECTS, contents
from pipelines.source.image.class_folders import NAME, read_images
from pipelines.source.image.orientation import in_pixels, settle
from pipelines.source.image.pixels import frame
from schemas.arrow import arrow_type
from schemas.errors import Advice, Fault, SourceError, SpecError
from schemas.spec import Source

INDEX = ("images by name",)
"""The key of the index of images in `Files.memo`."""
_ROUNDED = ("rounded boxes",)
_AT_ONCE = 256
MAX_BYTES = 16 << 20
"""The most bytes of the annotation of one image."""


def annotation(files: Files, name: str, otherwise: str) -> bytes:
    """Return the bytes of an annotation file; raise SourceError, whose message ends with `otherwise`, if too long."""
    place = files.shown(name)
    with readable(place), files.open(name, compression=None) as stream:
        data = bytes(stream.read(MAX_BYTES + 1))
    if len(data) > MAX_BYTES:
        raise SourceError(f"{place}: is longer than {MAX_BYTES >> 20} MB; {otherwise}")
    return data


@dataclass(frozen=True)
class Marked:
    """The annotation of one image: the name of its `image`, and its `objects` as `orientation.settle` takes them.

    `size` is the width and height that the annotation declares, if any; `base` is the annotation's folder. The rows
    name the image by its `path`, or by its name if there is none. `own` is the annotation file's path without
    extension if the file is of one image: a renamed image has the same stem. `shares` says that coordinates are shares
    of width and height, of the upright image unless the spec says otherwise.
    """

    image: str
    objects: Sequence[Mapping[str, Any]]
    size: tuple[int, int] | None = None
    base: str = ""
    path: str | None = None
    own: str | None = None
    shares: bool = False


def columns(source: Source, kind: str) -> dict[str, str]:
    """Return the columns of every source of annotated images and their types.

    Raises SpecError if the spec's label is neither a box's class, nor `boxes`, nor the default label.
    """
    if source.label not in (LABEL, BOXES, Source.model_fields["label"].default):
        advice = Advice(("source", "label"), LABEL)
        problem = f"a box carries its class as {LABEL!r}, got {source.label!r}; set {advice}"
        raise SpecError(Fault(advice.path, problem, "label-of-boxes", advice))
    return {NAME: "image", OBJECTS: kind, BOXES: "string"}


def batches(
    files: Files, marked: Iterable[Marked], kind: str, source: Source, wanted: list[str] | None
) -> Iterator[Cells]:
    """Yield the images with their objects in blocks; a missing image is null and keeps its name."""
    index = files.memo[INDEX] = Index(files)
    rounded: list[float] = files.memo.setdefault(_ROUNDED, [])
    rounded.clear()
    rest = iter(marked)
    while some := list(islice(rest, _AT_ONCE)):
        done = 0
        some = [index.renamed(one) for one in some]
        rounded += _rounded(some)
        found = [index.take(one) for one in some]
        some = [index.called(one, path) for one, path in zip(some, found, strict=True)]
        for names, images in read_images(files, found):
            part = some[done : done + len(names)]
            done += len(names)
            yield _cells(part, images, kind, source, wanted)


def _cells(part: Sequence[Marked], images: pa.Array, kind: str, source: Source, wanted: list[str] | None) -> Cells:
    named = pa.StructArray.from_arrays(
        [images.field("bytes"), pa.array([one.path or one.image for one in part], pa.string())],
        fields=list(images.type),
    )
    # boxes are counted after objects were cut to their image, so these columns are read together
    if wanted is not None and not {OBJECTS, BOXES}.intersection(wanted):
        return Cells({NAME: named}, {NAME: "image"}, len(part))
    objects = pa.array(_settled(part, images, source), arrow_type(kind))
    types = {NAME: "image", OBJECTS: kind, BOXES: "string"}
    return Cells({NAME: named, OBJECTS: objects, BOXES: contents(objects)}, types, len(part))


def _settled(part: Sequence[Marked], images: pa.Array, source: Source) -> list[list[Any]]:
    """Return the objects of each image, in the coordinates of the upright image."""
    found = []
    for one, data in zip(part, images.field("bytes"), strict=True):
        lies = frame(data.as_py(), source.images.max_pixels) if one.objects else None
        if one.shares and lies:
            size = lies.size if source.marked_on == "stored" else lies.upright
            found.append(settle(in_pixels(one.objects, size), size, lies, source.marked_on or "upright"))
        else:
            found.append(settle(one.objects, one.size, lies, source.marked_on))
    return found


def _rounded(some: Sequence[Marked]) -> list[float]:
    """Return, for each box that float32 does not hold exactly, one such number as the annotation writes it."""
    boxes = [mark["bbox"] for one in some if not one.shares for mark in one.objects if mark.get("bbox")]
    exact = np.array(boxes, np.float64).reshape(-1, 4)
    other = exact != exact.astype(np.float32)
    rows = np.flatnonzero(other.any(axis=1))
    found: list[float] = exact[rows, other[rows].argmax(axis=1)].tolist()
    return found


def rounded(files: Files) -> list[str]:
    """Return at most one sentence on boxes rounded to float32; call it after all rows were read."""
    found: list[float] = files.memo[_ROUNDED]
    told = "Boxes with numbers that a 32-bit float does not hold, to which they are rounded"
    return [f"{told}: {len(found):,} (such as {found[0]})."] if found else []


def untaken(files: Files) -> list[str]:
    """Return at most one sentence on images without annotation; call it after all rows were read."""
    index: Index = files.memo[INDEX]
    rest = sorted(index.paths - index.taken)
    return [f"Images in no annotation, which are not read: {len(rest):,}, such as {rest[0]}."] if rest else []


class Index:
    """The image files of a source by path, by name, and by name without extension."""

    def __init__(self, files: Files) -> None:
        self.paths = {name for name in files.names if format_of(name) == "images"}
        self.known: dict[str, list[str]] = {}
        for path in sorted(self.paths):
            name = os.path.basename(path)
            for key in {name, os.path.splitext(name)[0]}:
                self.known.setdefault(key, []).append(path)
        self.place = files.path
        self.taken: set[str] = set()

    @cached_property
    def _in_any_case(self) -> dict[str, list[str]]:
        """The paths by lower-case name, and by lower-case name without extension."""
        found: dict[str, list[str]] = {}
        for key, paths in self.known.items():
            found.setdefault(key.lower(), []).extend(paths)
        return found

    def renamed(self, one: Marked) -> Marked:
        """Return the annotation with the image of its own file name, if there is one and the annotation names another.

        People rename images and annotation files together, and leave the old name within the annotation.
        """
        if one.own is None or _stem(one.image) == os.path.basename(one.own):
            return one
        own = self.find(os.path.basename(one.own), os.path.dirname(one.own))
        return replace(one, image=os.path.basename(own)) if own else one

    def take(self, one: Marked) -> str | None:
        """Return the path of the annotation's image, as `find` does; raise SourceError if it is annotated twice."""
        found = self.find(one.image, one.base)
        if found in self.taken:
            raise SourceError(f"{self.place}: {one.image!r} is annotated twice; put its objects together")
        self.taken |= {found} if found else set()
        return found

    def called(self, one: Marked, path: str | None) -> Marked:
        """Return the annotation with the image's whole path, if several images have the same name."""
        alike = self.known.get(os.path.basename(path or ""), [])
        return replace(one, path=path) if one.path is None and one.own is not None and len(alike) > 1 else one

    def find(self, name: str, base: str = "") -> str | None:
        """Return the path of the image that an annotation in the folder `base` names, or None.

        Raises SourceError if several images match equally well.
        """
        for path in (f"{base}/{name}", name):
            if path in self.paths:
                return path
        return self._by_file(name, base) or self._by_file(unquote(name), base)

    def _by_file(self, name: str, base: str) -> str | None:
        """Return the path of an image by its file name; if several match, the folders of the name decide."""
        name = name.replace("\\", "/")
        file = os.path.basename(name)
        alike = self.known.get(os.path.splitext(file)[0], [])
        found = self.known.get(file) or [one for one in alike if one.lower().endswith(file.lower())] or alike
        found = found or self._in_any_case.get(file.lower(), [])
        ending = [path for path in found if path.endswith(f"/{name}")] or found
        ending = _nearest(ending, base) or ending if len(ending) > 1 else ending
        if len(ending) > 1:
            listed = ", ".join(ending[:3])
            raise SourceError(f"{self.place}: an annotation names {name!r}, which may be {listed}; give it its folder")
        return ending[0] if ending else None


def _nearest(paths: Sequence[str], base: str) -> list[str]:
    """Return the paths in the folder `base`, or in the nearest folder above it that holds any."""
    while base:
        if found := [path for path in paths if path.startswith(f"{base}/")]:
            return found
        base = os.path.dirname(base)
    return []


def _stem(name: str) -> str:
    return os.path.splitext(os.path.basename(name.replace("\\", "/")))[0]
