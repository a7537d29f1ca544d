"""Reads YOLO labels: one text file an image, each line with a class number and a box or an outline.

The format is that of Ultralytics (https://docs.ultralytics.com/datasets/detect/): `class x y width height` with the
box's centre, or `class x1 y1 x2 y2 …`, all as shares of the upright image. An image without labels is background.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from pipelines.source.cells import Cells
from pipelines.source.files import Files, format_of
from pipelines.source.formats import Format
from pipelines.source.image import annotated
from pipelines.source.image.annotated import Marked
from pipelines.source.kinds import is_class_list, label_key
from pipelines.source.unread_files import unread
from schemas.errors import SourceError
from schemas.spec import Source

BOXES, MASKED = "objects", "masked objects"
_BOX = 4  # numbers of a box; an outline has 6 or more
_SURE, _NEAR = 3, 0.01
"""The fewest lines that tell keypoints from outlines, and the share of an image by which points may miss their box."""


def columns(files: Files, _name: str, source: Source) -> dict[str, str]:
    """Return the columns: image, objects (with masks where labels are outlines), boxes."""
    kind = _kind(files)
    if kind == MASKED and _are_keypoints(files):
        raise SourceError(
            f"{files.path}: its labels look like keypoints (a box, and points in it), which are not read; write boxes"
            " alone, 5 numbers a line"
        )
    return annotated.columns(source, kind)


def batches(files: Files, _name: str, source: Source, wanted: list[str] | None) -> Iterator[Cells]:
    """Yield the images in the order of their names; labels whose image is missing give a null image."""
    names, kind = _class_names(files), _kind(files)
    yield from annotated.batches(files, _marked(files, names, kind == MASKED), kind, source, wanted)


def _labels(files: Files) -> list[str]:
    return [name for name in files.names if format_of(name) == "folders" and not is_class_list(name)]


def _marked(files: Files, classes: Mapping[int, str] | None, masked: bool) -> Iterator[Marked]:
    labels = {label_key(name): name for name in _labels(files)}
    images = [name for name in files.names if format_of(name) == "images"]
    _refuse_misnamed(files, images)
    for image in images:
        label = labels.get(label_key(image))
        yield Marked(image, _objects(files, label, image, classes, masked) if label else [], shares=True)
    for key in sorted(labels.keys() - {label_key(image) for image in images}):
        yield Marked(os.path.splitext(labels[key])[0], [], shares=True)


def _refuse_misnamed(files: Files, images: Sequence[str]) -> None:
    """Raise SourceError if an image has two label files, or if a label file keeps the image's extension in its name."""
    found: dict[str, str] = {}
    with_ending = {f"{label_key(name)}{os.path.splitext(name)[1]}": name for name in images}
    for label in _labels(files):
        key = label_key(label)
        if other := found.get(key):
            raise SourceError(f"{files.path}: {other} and {label} are labels of one image; take one out of the folder")
        found[key] = label
        if image := with_ending.get(key):
            right = f"{key}.txt".removesuffix(f"{os.path.splitext(image)[1]}.txt") + ".txt"
            raise SourceError(
                f"{files.shown(label)}: labels are called as their image without its ending; name it {right}"
            )


def _kind(files: Files) -> str:
    """Return the kind of the objects: masked if any line is an outline, else boxes."""
    for label in _labels(files):
        if any(len(numbers) > _BOX for _, numbers in _lines(files, label)):
            return MASKED
    return BOXES


def _are_keypoints(files: Files) -> bool:
    """Whether all lines are a box and equally many points that have a visibility, or lie in the box."""
    seen = inside = True
    length, lines = 0, 0
    for label in _labels(files):
        for _, numbers in _lines(files, label):
            lines, length = lines + 1, length or len(numbers)
            points = numbers[_BOX:]
            seen = seen and len(points) % 3 == 0 and set(points[2::3]) <= {0.0, 1.0, 2.0}
            inside = inside and _in_box(numbers[:_BOX], points)
            if not points or len(numbers) != length or not (seen or inside):
                return False
    return seen or (inside and lines >= _SURE)


def _in_box(box: Sequence[float], points: Sequence[float]) -> bool:
    """Whether all points lie in the box (centre, width, height), or at 0, 0 as unseen ones do."""
    low, high = ([box[side] + sign * box[side + 2] / 2 for side in (0, 1)] for sign in (-1, 1))
    within = all(-_NEAR <= one <= 1 + _NEAR for one in (*low, *high))
    pairs = zip(points[::2], points[1::2], strict=True)
    return within and all(
        pair == (0, 0) or all(low[n] - _NEAR <= pair[n] <= high[n] + _NEAR for n in (0, 1)) for pair in pairs
    )


def _lines(files: Files, label: str) -> Iterator[tuple[int, list[float]]]:
    """Yield the class number and the other numbers of each line; raise SourceError for a line that is no label."""
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
                " or an outline of 3 points or more (keypoints are not read)"
            )
        yield int(kind), numbers


def _text(files: Files, name: str) -> str:
    data = annotated.annotation(files, name, "that is no list of labels")
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
    """Return the class names by number, or None if no file names the classes.

    Raises SourceError if two files differ, or if the labels are keypoints, which are not read.
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
    """Return the class names of one file by number, spelled as in the file: `no` and `007` are names, too."""
    text = _text(files, name)
    if not name.lower().endswith((".yaml", ".yml")):
        return _distinct(files, name, [(n, line.strip()) for n, line in enumerate(text.splitlines()) if line.strip()])
    said = _entries(files, name, text)
    if "kpt_shape" in said:
        raise SourceError(f"{files.shown(name)}: its labels have keypoints, which are not read; write boxes alone")
    names = said.get("names")
    if names is None or names.value in ("", "null", "~"):
        return {}
    if isinstance(names, yaml.MappingNode):
        pairs = [(key.value, one) for key, one in names.value]
    else:
        pairs = list(enumerate(names.value)) if isinstance(names, yaml.SequenceNode) else [("", names)]
    try:
        numbered = [(int(number), _word(one)) for number, one in pairs]
    except (TypeError, ValueError) as error:
        raise SourceError(
            f"{files.shown(name)}: its names are no list of classes, as names: [cat, dog] is; number them from 0"
        ) from error
    return _distinct(files, name, [pair for pair in numbered if pair[1]])


def _word(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise ValueError("a class has one name")
    return str(node.value)


def _entries(files: Files, name: str, text: str) -> dict[str, yaml.Node]:
    """Return the values of a YAML file by key, all as text, since YAML takes `no` for a boolean, `007` for a number."""
    try:
        root = yaml.compose(text, yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())[:120]
        raise SourceError(f"{files.shown(name)}: is no YAML: {said}; mend it or take it out of the folder") from error
    return {key.value: value for key, value in root.value} if isinstance(root, yaml.MappingNode) else {}


def _distinct(files: Files, name: str, pairs: list[tuple[int, str]]) -> dict[int, str]:
    """Return the names by number; raise SourceError if two classes share a number or a name."""
    found: dict[int, str] = {}
    numbers: dict[str, int] = {}
    for number, one in pairs:
        if number in found or one in numbers:
            both = f"class {number} twice" if number in found else f"classes {numbers[one]} and {number} both {one!r}"
            raise SourceError(f"{files.shown(name)}: it names {both}; give each class one name of its own")
        found[number], numbers[one] = one, number
    return found


def lost(files: Files, _source: Source) -> list[str]:
    """Return sentences on classes without names and on files that are not read."""
    unnamed = [] if _class_names(files) else ["No file names the classes, so that they are called by their numbers."]
    return [*unnamed, *unread(files)]


FORMAT = Format(columns, batches, together=True, lost=lost, label=lambda *_: "category")
