"""Tells from the names in a folder what its files are: data, what is written about the data, or notes beside them."""

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping

from pipelines.source.splits import ClassFolders

LABELS, IMAGES = "labels", "images"
"""Folders of YOLO, in any case: labels are where `images` is replaced by `labels` in an image's path."""
_CLASSES = ("classes.txt", "predefined_classes.txt")
_LOOKED_INTO = 20
"""JSON files beside images that are looked into, at most, where their names say nothing."""
_COCO_BEGINS = re.compile(rb'\s*(\xef\xbb\xbf)?\s*\{\s*"(images|annotations|categories|licenses|info|type)"\s*:')
_METADATA = re.compile(r"metadata\.(csv|tsv|jsonl)")
_CELLS = re.compile(r"[,;\t|]")
_KEY = re.compile(r'^[\s{]*"[^"]*"\s*:')
_ROWS = 5
_SUBMITTED = "submission"
"""Kaggle's example of an answer: its classes are none."""
HEAD = 65_536
"""Bytes of a JSON file that are looked into."""


def meant(formats: Mapping[str, str], head: Callable[[str], bytes]) -> set[str]:
    """Return the formats among a folder's files that hold data; one that is left is the source's.

    `formats` are those that the names tell; `head` returns the first bytes of a file.
    """
    wanted = set(formats.values())
    if "images" in wanted:
        if is_yolo(formats):
            return {"yolo"}
        # what lies beside images is about them: their annotations, or a note
        marked = {found for name, found in formats.items() if found == "voc" or is_coco(name)}
        marked = marked or _looked_into(formats, head)
        return marked or _listed(formats, head) or wanted - {"folders", "voc", "coco", "yolo"}
    wanted -= {"yolo"}
    if len(wanted) > 1 or not any("/" in name for name in formats):
        wanted -= {"folders"}  # a note beside tables is no data, and texts need folders for their classes
    return wanted - {"voc", "coco"}


def _listed(formats: Mapping[str, str], head: Callable[[str], bytes]) -> set[str]:
    """Return what images are that tables beside them list; class folders of them are so where the name says it."""
    lists = list_files(formats, head) - {name for name, found in formats.items() if found == "images"}
    if not lists:
        return set()
    images = [name for name, found in formats.items() if found == "images"]
    classes = ClassFolders(images)
    found = {classes.find(name) for name in images}
    sure = len(found) < 2 or None in found or any(_METADATA.fullmatch(os.path.basename(name)) for name in lists)
    return {"listed"} if sure else {"listed", "images"}


def list_files(formats: Mapping[str, str], head: Callable[[str], bytes]) -> set[str]:
    """Return the images, and the tables beside them whose first rows name some."""
    images = {name for name, found in formats.items() if found == "images"}
    known = {part.lower() for name in images for part in (name, os.path.basename(name))}
    known |= {os.path.splitext(name)[0] for name in known}
    tables = [
        name for name, found in formats.items() if found in ("csv", "tsv", "jsonl") and _SUBMITTED not in name.lower()
    ]
    return images | {name for name in tables[:_LOOKED_INTO] if _names_images(head(name), known)}


def _names_images(head: bytes, known: set[str]) -> bool:
    """Whether most of a table's first rows name an image each in one place; the header is not looked at."""
    lines = head.decode(errors="replace").splitlines()[: _ROWS + 1]
    rows = [[(place, _named(cell, known)) for place, cell in enumerate(_CELLS.split(line))] for line in lines if line]
    found = [{(place, name) for place, name in row if name} for row in rows]
    found = found[1:] if found and not found[0] else found
    places = Counter(place for place, _ in set().union(*found))  # an image that is named twice counts once
    return bool(places) and max(places.values()) * 2 >= len(found)


def _named(cell: str, known: set[str]) -> str | None:
    """Return which image a cell names, if it names one."""
    name = _KEY.sub("", cell).strip(" \"'{}").replace("\\", "/").lower()
    return next((one for one in (name, os.path.basename(name)) if one and one in known), None)


def is_coco(name: str) -> bool:
    """Whether a name is one that COCO's annotations usually have."""
    folder, file = os.path.split(name.lower())
    named = file.startswith("instances") or "coco" in file or "annotations" in file or file == "result.json"
    return file.endswith(".json") and (named or os.path.basename(folder) == "annotations")


def is_annotations(file: str) -> bool:
    """Whether a file bears the hidden name of COCO's annotations, as Roboflow writes it."""
    return file.lower().startswith("_annotations") and file.lower().endswith(".json")


def _looked_into(formats: Mapping[str, str], head: Callable[[str], bytes]) -> set[str]:
    """Return COCO's format if a JSON file beside the images begins as its annotations do."""
    files = [name for name, found in formats.items() if found == "coco" and name.lower().endswith(".json")]
    return {"coco"} if any(begins_as_coco(head(name)) for name in files[:_LOOKED_INTO]) else set()


def begins_as_coco(head: bytes) -> bool:
    """Whether a JSON file with these first bytes is one of COCO's annotations."""
    found = _COCO_BEGINS.match(head)
    return bool(found) and (found[2] not in (b"info", b"type") or b'"images"' in head)  # type: ignore[index]


def is_yolo(formats: Mapping[str, str]) -> bool:
    """Whether images have label files of YOLO: in folders named so, or beside them with a list of the classes."""
    listed = any(is_class_list(name) for name in formats)
    labels = {label_key(name) for name, found in formats.items() if found == "folders"}
    keys = {label_key(name) for name, found in formats.items() if found == "images"} & labels
    return any(listed or LABELS in key.split("/")[:-1] for key in keys)


def yolo_files(formats: Mapping[str, str | None]) -> set[str]:
    """Return the files that a source of YOLO is read from: images, their labels, and what names the classes.

    Where there are folders `images`, other images are plots and the like.
    """
    images = {name for name, found in formats.items() if found == "images"}
    images = {name for name in images if _last(name, IMAGES) is not None} or images
    keys = {label_key(name) for name in images}
    texts = {name for name, found in formats.items() if found == "folders"}
    labels = {name for name in texts if _last(name, LABELS) is not None or label_key(name) in keys}
    return images | labels | {name for name in formats if is_class_list(name)}


def is_class_list(name: str) -> bool:
    """Whether a file may name the classes of YOLO: a YAML file, or `classes.txt`."""
    file = os.path.basename(name).lower()
    return file in _CLASSES or file.endswith((".yaml", ".yml", ".names"))


def label_key(name: str) -> str:
    """Return what an image and its labels in YOLO have in common: the path, without ending.

    Labels lie in `labels` in the place of the last `images`, else beside their image.
    """
    stem = os.path.splitext(name)[0]
    parts = stem.split("/")
    last = _last(name, LABELS if name.lower().endswith(".txt") else IMAGES)
    if last is not None:
        parts[last] = LABELS
    return "/".join(parts)


def _last(name: str, folder: str) -> int | None:
    """Return the place of the last folder of such a name in a path, in whatever case; None if there is none."""
    parts = name.lower().split("/")[:-1]
    return next((place for place in range(len(parts) - 1, -1, -1) if parts[place] == folder), None)
