"""Reads Pascal VOC annotations: one XML file an image, with the boxes of its objects.

The format is that of the VOC2012 development kit, section 4: corners in pixels. Boxes are taken to run from `xmin` to
`xmax`, as labelling tools write them today.
"""

import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import Any

from pipelines.source.cells import Cells
from pipelines.source.files import Files, format_of
from pipelines.source.format import Format
from pipelines.source.image import marked
from pipelines.source.image.marked import Marked
from schemas.errors import SourceError
from schemas.spec import Source

KIND = "objects"
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def columns(_files: Files, _name: str, source: Source) -> dict[str, str]:
    """Return the columns: image, objects, boxes."""
    return marked.columns(source, KIND)


def batches(files: Files, _name: str, source: Source, wanted: list[str] | None) -> Iterator[Cells]:
    """Yield the annotated images in the order of their annotations."""
    names = [name for name in files.names if format_of(name) == "voc"]
    yield from marked.batches(files, (_read(files, name) for name in names), KIND, source, wanted)


def _read(files: Files, name: str) -> Marked:
    place = files.shown(name)
    data = marked.annotation(files, name, "that is no annotation of one image")
    try:
        root = ElementTree.fromstring(data, ElementTree.XMLParser(target=_Plain()))  # noqa: S314 (no entities: _Plain)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the last: an encoding that is not known
        raise SourceError(f"{place}: is not XML: {error}; mend the file or take it out of the folder") from error
    own = os.path.splitext(name)[0]
    image = root.findtext("filename", "").strip() or os.path.basename(own)
    return Marked(image, [_object(one, place, image) for one in root.iter("object")], _size(root), own=own)


def _size(root: ElementTree.Element) -> tuple[int, int] | None:
    """Return the width and height that the annotation gives; some tools write zeros where they do not know them."""
    words = [(root.findtext(f"size/{side}") or "").strip() for side in ("width", "height")]
    try:
        width, height = (int(float(word)) for word in words)
    except (ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None


class _Plain(ElementTree.TreeBuilder):
    """Builds a tree without a document type: with it go entities, which may grow without end or name other files."""

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
        got = ", ".join(f"{corner} {word!r}" for corner, word in zip(_CORNERS, words, strict=True))
        raise SourceError(f"{place}: the box of {category!r} has no four numbers as corners, got {got}") from None
    box = [left, top, right - left, bottom - top]
    return {"bbox": box, "category": category, "told": f"{place}: the objects of {image}"}


FORMAT = Format(columns, batches, together=True)
