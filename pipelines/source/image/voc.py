"""Reads Pascal VOC annotations: one XML file an image, with the boxes of the image's objects.

The format is that of the VOC2012 development kit, section 4: corners in pixels. Boxes are taken to run from `xmin` to
`xmax`, as labelling tools write them today.
"""

import os
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pipelines.source.cells import Cells
from pipelines.source.files import Files, format_of
from pipelines.source.formats import Format
from pipelines.source.image import annotated
from pipelines.source.image.annotated import Marked
from pipelines.source.unread_files import unread
from schemas.errors import SourceError
from schemas.spec import Source

KIND = "objects"
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_OTHERS = ("robndbox", "rotated_bndbox", "polygon")
"""Elements that mark an object with something other than an upright box."""
_FLAGS = ("flags",)
"""The key in `Files.memo` of the counts of flags and outlines seen while the rows were read."""
_TOLD = {
    "difficult": "flagged difficult, which are boxes like any other here",
    "polygon": "outlined too (polygon), which is not read",
}


def columns(_files: Files, _name: str, source: Source) -> dict[str, str]:
    """Return the columns: image, objects, boxes."""
    return annotated.columns(source, KIND)


def batches(files: Files, _name: str, source: Source, wanted: list[str] | None) -> Iterator[Cells]:
    """Yield the annotated images in the order of their annotations."""
    names = [name for name in files.names if format_of(name) == "voc"]
    told: Counter[str] = Counter()
    files.memo[_FLAGS] = told
    yield from annotated.batches(files, (_read(files, name, told) for name in names), KIND, source, wanted)


def _read(files: Files, name: str, told: Counter[str]) -> Marked:
    """Return an annotation, and count in `told` the flags and outlines of its objects, which are not read."""
    root, own = _root(files, name), os.path.splitext(name)[0]
    elements = list(root.iter("object"))
    told.update(kind for one in elements for kind in _TOLD if _says(one, kind))
    image, place = root.findtext("filename", "").strip() or os.path.basename(own), files.shown(name)
    objects = [_object(element, place, image) for element in elements]
    return Marked(image, objects, _size(root), os.path.dirname(name), own=own)


def _root(files: Files, name: str) -> ElementTree.Element:
    place = files.shown(name)
    data = annotated.annotation(files, name, "that is no annotation of one image")
    try:
        root = ElementTree.fromstring(data, ElementTree.XMLParser(target=_Plain()))  # noqa: S314 (no entities: _Plain)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # LookupError: unknown encoding
        raise SourceError(f"{place}: is not XML: {error}; mend the file or take it out of the folder") from error
    if root.tag.lower() != "annotation":
        raise SourceError(
            f"{place}: its root is <{root.tag[:40]}>, and Pascal VOC's is <annotation>: other tools' own XML (CVAT's)"
            " is not read; export it as Pascal VOC, COCO or YOLO, or take it out of the folder"
        )
    return root


def _size(root: ElementTree.Element) -> tuple[int, int] | None:
    """Return the width and height that the annotation declares, or None; some tools write zeros for an unknown size."""
    words = [(root.findtext(f"size/{side}") or "").strip() for side in ("width", "height")]
    try:
        width, height = (int(float(word)) for word in words)
    except (ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None


class _Plain(ElementTree.TreeBuilder):
    """Builds an XML tree without a document type, whose entities may grow without end or name other files.

    Namespaces (`xmlns`) are dropped too, since they mean nothing here.
    """

    def start(self, tag: str, attrs: dict[Any, Any], /) -> ElementTree.Element:
        return super().start(tag.rpartition("}")[2], attrs)

    def end(self, tag: str, /) -> ElementTree.Element:
        return super().end(tag.rpartition("}")[2])

    def doctype(self, _name: str, _public: str, _system: str) -> None:
        raise ValueError("it has a document type (<!DOCTYPE), which annotations need not")


def _object(element: ElementTree.Element, place: str, image: str) -> dict[str, Any]:
    category = (element.findtext("name") or "").strip()
    if not category:
        raise SourceError(f"{place}: an object has no name; give it its class")
    words = [element.findtext(f"bndbox/{corner}") or "" for corner in _CORNERS]
    try:
        left, top, right, bottom = map(float, words)
    except ValueError:
        if other := next((one.tag for one in element if one.tag.lower() in _OTHERS), None):
            advice = "which is not read: export upright boxes (bndbox), or outlines as COCO or YOLO"
            raise SourceError(f"{place}: {category!r} is marked with a {other} and no bndbox, {advice}") from None
        got = ", ".join(f"{corner} {word!r}" for corner, word in zip(_CORNERS, words, strict=True))
        raise SourceError(f"{place}: the box of {category!r} has no four numbers as corners, got {got}") from None
    box = [left, top, right - left, bottom - top]
    return {"bbox": box, "category": category, "told": f"{place}: the objects of {image}"}


def lost(files: Files, _source: Source) -> list[str]:
    """Return sentences on flags and outlines that are not read, and on images without annotation."""
    counts: Counter[str] = files.memo[_FLAGS]
    said = [f"{rows:,} objects are {_TOLD[kind]}." for kind, rows in sorted(counts.items())]
    return [*said, *annotated.rounded(files), *annotated.untaken(files), *unread(files)]


def _says(element: ElementTree.Element, kind: str) -> bool:
    found = element.find(kind)
    return found is not None and (kind == "polygon" or (found.text or "").strip().lower() not in ("", "0", "false"))


FORMAT = Format(columns, batches, together=True, declared=True, lost=lost, label=lambda *_: "category")
