"""Reads the labels of YOLO: a text file an image, each line a class's number and a box or an outline.

The format is that of Ultralytics (https://docs.ultralytics.com/datasets/detect/): `class x y width height` with the
box's centre, or `class x1 y1 x2 y2 …`, all as shares of the upright image. An image without labels shows background.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.source.cells import Cells
from pipelines.source.declared import settings
from pipelines.source.files import Files, format_of
from pipelines.source.format import Format
from pipelines.source.image import marked
from pipelines.source.image.marked import Marked
from pipelines.source.kinds import is_class_list, label_of
from schemas.errors import SourceError
from schemas.spec import Source

BOXES, MASKED = "objects", "masked objects"
_BOX = 4  # numbers of a box; an outline has 6 or more


def columns(files: Files, _name: str, source: Source) -> dict[str, str]:
    """Return the columns: image, objects (with masks where labels are outlines), boxes."""
    return marked.columns(source, _kind(files))


def batches(files: Files, _name: str, source: Source, wanted: list[str] | None) -> Iterator[Cells]:
    """Yield the images in the order of their names; labels without an image too, since it is missing."""
    names, kind = _class_names(files), _kind(files)
    yield from marked.batches(files, _marked(files, names, kind == MASKED), kind, source, wanted)


def _labels(files: Files) -> list[str]:
    return [name for name in files.names if format_of(name) == "folders" and not is_class_list(name)]


def _marked(files: Files, classes: Mapping[int, str] | None, masked: bool) -> Iterator[Marked]:
    labels = set(_labels(files))
    images = [name for name in files.names if format_of(name) == "images"]
    for image in images:
        label = label_of(image)
        objects = _objects(files, label, image, classes, masked) if label in labels else []
        yield Marked(image, objects, shares=True)
    for label in sorted(labels - {label_of(image) for image in images}):
        yield Marked(os.path.splitext(label)[0], [], shares=True)


def _kind(files: Files) -> str:
    """Return whether there are outlines, by the first line that is one."""
    for label in _labels(files):
        if any(len(numbers) > _BOX for _, numbers in _lines(files, label)):
            return MASKED
    return BOXES


def _lines(files: Files, label: str) -> Iterator[tuple[int, list[float]]]:
    """Yield the class and the numbers of each line; raises SourceError for a line that is no label."""
    place = files.shown(label)
    for number, line in enumerate(_text(files, label).splitlines(), 1):
        if not (words := line.split()):
            continue
        try:
            kind, numbers = float(words[0]), [float(word) for word in words[1:]]
        except ValueError:
            kind, numbers = -1.0, []
        if not kind.is_integer() or kind < 0 or len(numbers) < _BOX or len(numbers) % 2:
            raise SourceError(
                f"{place}: line {number}, {line[:60]!r}, is no label: it needs a class's number, and a box of 4 numbers"
                " or an outline of 3 points or more"
            )
        yield int(kind), numbers


def _text(files: Files, name: str) -> str:
    data = marked.annotation(files, name, "that is no list of labels")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{files.shown(name)}: is not UTF-8 text; mend the file or take it out of the folder"
        ) from error


def _objects(
    files: Files, label: str, image: str, classes: Mapping[int, str] | None, masked: bool
) -> list[dict[str, Any]]:
    found = []
    for kind, numbers in _lines(files, label):
        if classes is not None and kind not in classes:
            raise SourceError(
                f"{files.shown(label)}: class {kind} is none of the {len(classes)} that are named; name it in data.yaml"
            )
        one: dict[str, Any] = {"category": classes[kind] if classes else str(kind), "bbox": None}
        one["told"] = f"{files.shown(label)}: the labels of {image}"
        if len(numbers) == _BOX:
            x, y, width, height = numbers
            one["bbox"] = [x - width / 2, y - height / 2, width, height]
        if masked:
            one["segmentation"] = [numbers] if len(numbers) > _BOX else None
        found.append(one)
    return found


def _class_names(files: Files) -> Mapping[int, str] | None:
    """Return the names of the classes by their numbers; None where no file names them, and numbers have to do.

    Raises SourceError where two files differ, and for keypoints, which are not read.
    """
    found: dict[int, str] = {}
    by = ""
    for name in filter(is_class_list, files.names):
        names = _names_in(files, name)
        if found and names and names != found:
            raise SourceError(f"{files.path}: {by} and {name} name the classes differently; take one out of the folder")
        found, by = (names, name) if names else (found, by)
    return found or None


def _names_in(files: Files, name: str) -> dict[int, str]:
    text = _text(files, name)
    if not name.lower().endswith((".yaml", ".yml")):
        return {number: line.strip() for number, line in enumerate(text.splitlines()) if line.strip()}
    said = settings(text.encode())
    if "kpt_shape" in said:
        raise SourceError(f"{files.shown(name)}: its labels have keypoints, which are not read; write boxes alone")
    names = said.get("names")
    pairs = enumerate(names) if isinstance(names, list) else names.items() if isinstance(names, dict) else ()
    try:
        return {int(number): str(one) for number, one in pairs if str(one)}
    except (TypeError, ValueError) as error:
        raise SourceError(f"{files.shown(name)}: its names are no list of classes; number them from 0") from error


FORMAT = Format(columns, batches, together=True)
