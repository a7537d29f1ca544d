"""Decides, mostly by name, which files of a folder are data, annotations of data, or notes."""

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping

from pipelines.source.splits import ClassFolders

LABELS, IMAGES = "labels", "images"
"""Folder names of YOLO, in any case: the path of a label file has `labels` where its image's path has `images`."""
_CLASSES = ("classes.txt", "predefined_classes.txt")
_LOOKED_INTO = 20
"""The most files beside images that are opened to see whether they annotate the images."""
_COCO_BEGINS = re.compile(rb'\s*(\xef\xbb\xbf)?\s*\{\s*"(images|annotations|categories|licenses|info|type)"\s*:')
_METADATA = re.compile(r"metadata\.(csv|tsv|jsonl)")
_CELLS = re.compile(r"[,;\t|]")
_KEY = re.compile(r'^[\s{]*"[^"]*"\s*:')
_ROWS = 5
_SUBMITTED = "submission"
"""In the name of Kaggle's sample submission, whose classes mean nothing."""
HEAD = 65_536
"""Bytes read from the beginning of a file to see what it holds."""


def meant(formats: Mapping[str, str], head: Callable[[str], bytes]) -> set[str]:
    """Return the formats of a folder's files that hold data; if only one is left, it is the source's.

    `formats` are the formats by the files' names; `head` returns the first bytes of a file.
    """
    wanted = set(formats.values())
    if "images" in wanted:
        if is_yolo(formats):
            return {"yolo"}
        # files beside images describe them: annotations or notes
        marked = {found for name, found in formats.items() if found == "voc" or is_coco(name)}
        marked = marked or _looked_into(formats, head)
        return marked or _listed(formats, head) or wanted - {"folders", "voc", "coco", "yolo"}
    wanted -= {"yolo"}
    if len(wanted) > 1 or not any("/" in name for name in formats):
        wanted -= {"folders"}  # a text beside tables is a note, and texts as data need class folders
    return wanted - {"voc", "coco"}


def _listed(formats: Mapping[str, str], head: Callable[[str], bytes]) -> set[str]:
    """Return `listed` if tables list the images, with `images` if these may be class folders too; else no format."""
    lists = list_files(formats, head) - {name for name, found in formats.items() if found == "images"}
    if not lists:
        return set()
    images = [name for name, found in formats.items() if found == "images"]
    classes = ClassFolders(images)
    found = {classes.find(name) for name in images}
    sure = len(found) < 2 or None in found or any(_METADATA.fullmatch(os.path.basename(name)) for name in lists)
    return {"listed"} if sure else {"listed", "images"}


def list_files(formats: Mapping[str, str], head: Callable[[str], bytes]) -> set[str]:
    """Return the images, and the tables whose first rows name images."""
    images = {name for name, found in formats.items() if found == "images"}
    known = {part.lower() for name in images for part in (name, os.path.basename(name))}
    known |= {os.path.splitext(name)[0] for name in known}
    tables = [
        name for name, found in formats.items() if found in ("csv", "tsv", "jsonl") and _SUBMITTED not in name.lower()
    ]
    return images | {name for name in tables[:_LOOKED_INTO] if _names_images(head(name), known)}


def _names_images(head: bytes, known: set[str]) -> bool:
    """Whether most of a table's first rows name an image in the same column, not counting a header."""
    lines = head.decode(errors="replace").splitlines()[: _ROWS + 1]
    rows = [[(place, _named(cell, known)) for place, cell in enumerate(_CELLS.split(line))] for line in lines if line]
    found = [{(place, name) for place, name in row if name} for row in rows]
    found = found[1:] if found and not found[0] else found
    places = Counter(place for place, _ in set().union(*found))  # an image that is named twice counts once
    return bool(places) and max(places.values()) * 2 >= len(found)


def _named(cell: str, known: set[str]) -> str | None:
    """Return the name of the image that a cell names, or None."""
    name = _KEY.sub("", cell).strip(" \"'{}").replace("\\", "/").lower()
    return next((one for one in (name, os.path.basename(name)) if one and one in known), None)


def is_coco(name: str) -> bool:
    """Whether a file has a usual name of COCO annotations."""
    folder, file = os.path.split(name.lower())
    named = file.startswith("instances") or "coco" in file or "annotations" in file or file == "result.json"
    return file.endswith(".json") and (named or os.path.basename(folder) == "annotations")


def is_annotations(file: str) -> bool:
    """Whether a file has Roboflow's name for COCO annotations (`_annotations….json`), which looks hidden."""
    return file.lower().startswith("_annotations") and file.lower().endswith(".json")


def _looked_into(formats: Mapping[str, str], head: Callable[[str], bytes]) -> set[str]:
    """Return `coco` if a JSON file beside the images begins like COCO annotations."""
    files = [name for name, found in formats.items() if found == "coco" and name.lower().endswith(".json")]
    return {"coco"} if any(begins_as_coco(head(name)) for name in files[:_LOOKED_INTO]) else set()


def begins_as_coco(head: bytes) -> bool:
    """Whether a JSON file with these first bytes holds COCO annotations."""
    found = _COCO_BEGINS.match(head)
    return bool(found) and (found[2] not in (b"info", b"type") or b'"images"' in head)  # type: ignore[index]


def is_yolo(formats: Mapping[str, str]) -> bool:
    """Whether images have YOLO label files: in a folder `labels`, or beside the images with a list of classes."""
    listed = any(is_class_list(name) for name in formats)
    labels = {label_key(name) for name, found in formats.items() if found == "folders"}
    keys = {label_key(name) for name, found in formats.items() if found == "images"} & labels
    return any(listed or LABELS in key.split("/")[:-1] for key in keys)


def yolo_files(formats: Mapping[str, str | None]) -> set[str]:
    """Return the files of a YOLO source: images, their labels, and lists of the classes.

    If there are folders `images`, images elsewhere are left out, since they are plots and the like.
    """
    images = {name for name, found in formats.items() if found == "images"}
    images = {name for name in images if _last(name, IMAGES) is not None} or images
    keys = {label_key(name) for name in images}
    texts = {name for name, found in formats.items() if found == "folders"}
    labels = {name for name in texts if _last(name, LABELS) is not None or label_key(name) in keys}
    return images | labels | {name for name in formats if is_class_list(name)}


def is_class_list(name: str) -> bool:
    """Whether a file may name the classes of YOLO: a YAML or `.names` file, or `classes.txt`."""
    file = os.path.basename(name).lower()
    return file in _CLASSES or file.endswith((".yaml", ".yml", ".names"))


def label_key(name: str) -> str:
    """Return the key that an image and its YOLO labels share: the label file's path without extension.

    The labels' path has `labels` for the last `images`; without such a folder they lie beside the image.
    """
    stem = os.path.splitext(name)[0]
    parts = stem.split("/")
    last = _last(name, LABELS if name.lower().endswith(".txt") else IMAGES)
    if last is not None:
        parts[last] = LABELS
    return "/".join(parts)


def _last(name: str, folder: str) -> int | None:
    """Return the position of the last folder of that name in a path, in any case; None if there is none."""
    parts = name.lower().split("/")[:-1]
    return next((place for place in range(len(parts) - 1, -1, -1) if parts[place] == folder), None)
