"""Finds splits that files of the source declare: YOLO's `data.yaml`, and the lists in Pascal VOC's `ImageSets`.

This module knows files by name, and reads them through a function that it is given.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping

import yaml

from pipelines.source.kinds import label_key

Read = Callable[[str], bytes]
SPLITS = ("train", "val", "test")
_VOC_LIST = re.compile(r"(?:.*/)?ImageSets/(?:Main|Segmentation|Layout)/(train|val|test)\.txt")


def declared_in(names: list[str], found: str, read: Read) -> Mapping[str, str]:
    """Return the declared split of each file that has one, in a source of the format `found`."""
    if found == "yolo":
        return _yolo(names, read)
    return _voc(names, read) if found == "voc" else {}


def _yolo(names: list[str], read: Read) -> dict[str, str]:
    """Return the splits of images and labels whose folders or lists a YAML file names, as Ultralytics reads it."""
    splits: dict[str, str] = {}
    for name in names:
        if name.lower().endswith((".yaml", ".yml")):
            said = settings(read(name))
            for split in SPLITS:
                paths = said.get(split)
                for path in paths if isinstance(paths, list) else [paths]:
                    if isinstance(path, str):  # nested values are no paths, and aliases could make them huge
                        splits |= dict.fromkeys(_at(path, names, read), split)
    keys = {label_key(name): split for name, split in splits.items()}
    return {name: keys[label_key(name)] for name in names if label_key(name) in keys}


def settings(data: bytes) -> Mapping[str, object]:
    """Return the mapping of a YAML file, with all values as text; empty if the data are no YAML or no mapping."""
    try:
        found = yaml.BaseLoader(data).get_single_data()  # BaseLoader makes only texts, lists and mappings
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _at(path: str, names: list[str], read: Read) -> list[str]:
    """Return the files in the folder, or in the list of files, at `path`, of which only the end need match."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    for start in range(len(parts)):
        ending = "/".join(parts[start:])
        if path.endswith(".txt"):
            listed = next((name for name in names if f"/{name}".endswith(f"/{ending}")), None)
            if listed:
                return _listed(read(listed), names)
        elif inside := [name for name in names if f"/{ending}/" in f"/{name}"]:
            return inside
    return []


def _listed(data: bytes, names: Iterable[str]) -> list[str]:
    lines = data.decode(errors="replace").splitlines()
    files = {os.path.basename(line.strip()) for line in lines}
    return [name for name in names if os.path.basename(name) in files]


def _voc(names: list[str], read: Read) -> dict[str, str]:
    """Return the splits of annotations and images whose names without extension stand in a list of `ImageSets`."""
    splits: dict[str, str] = {}
    stems: dict[str, str] = {}
    for name in names:
        if found := _VOC_LIST.fullmatch(name):
            words = (line.split() for line in read(name).decode(errors="replace").splitlines())
            stems |= {line[0]: found[1] for line in words if line}
    for name in names:
        if split := stems.get(os.path.splitext(os.path.basename(name))[0]):
            splits[name] = split
    return splits
