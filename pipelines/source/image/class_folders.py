"""Streams images in class folders: each file is a row, its folder's name is its class. Images are not decoded."""

import os
from collections.abc import Iterable, Iterator

import pyarrow as pa

from pipelines.source.cells import BLOCK_BYTES, BLOCK_ROWS, Cells, texts
from pipelines.source.files import CHUNK, Files, readable
from pipelines.source.formats import Format
from pipelines.source.image.pixels import MAX_FILE_BYTES
from pipelines.source.kinds import LABELS
from pipelines.source.splits import ClassFolders
from pipelines.source.text.folders import refuse_loose
from pipelines.source.unread_files import unread, unread_classes
from schemas.arrow import IMAGE
from schemas.errors import Advice, SourceError
from schemas.spec import Source

NAME = "image"
"""The name of the image column, if the source does not name one."""


def columns(files: Files, _name: str, source: Source) -> dict[str, str]:
    """Return the two columns and their types: `image`, and the label by its name in the spec."""
    if source.format is None:
        _refuse_labels(files)
    refuse_loose(files, source, "image", _advice(files))
    return {NAME: "image", source.label: "string"}


def batches(files: Files, _name: str, source: Source, wanted: list[str] | None) -> Iterator[Cells]:
    """Yield the images of all files in order, in blocks."""
    classes = ClassFolders(files.names, source.split)
    for names, images in read_images(files, files.names):
        labels = texts([str(classes.find(str(name))) for name in names])
        found = {NAME: images, source.label: labels}
        chosen = {name: array for name, array in found.items() if wanted is None or name in wanted}
        types = {NAME: "image", source.label: "string"}
        yield Cells(chosen, {name: types[name] for name in chosen}, len(names))


def read_images(files: Files, names: Iterable[str | None]) -> Iterator[tuple[list[str | None], pa.Array]]:
    """Yield the files' names with their bytes as image arrays, in blocks; a name of None gives a null image."""
    some: list[str | None] = []
    data: list[bytes | None] = []
    size = 0
    for name in names:
        some.append(name)
        data.append(None if name is None else _read(files, name))
        size += len(data[-1] or b"")
        if len(some) == BLOCK_ROWS or size >= BLOCK_BYTES:
            yield some, image_array(data, some)
            some, data, size = [], [], 0
    if some:
        yield some, image_array(data, some)


def image_array(data: list[bytes | None], paths: list[str | None]) -> pa.Array:
    """Return encoded images and their names as one struct array (`bytes`, `path`)."""
    return pa.StructArray.from_arrays([pa.array(data, pa.binary()), pa.array(paths, pa.string())], fields=list(IMAGE))


def _read(files: Files, name: str) -> bytes:
    """Return the file's bytes, cut off a little above the limit if the file is too large to be an image."""
    parts: list[bytes] = []
    size = 0
    with readable(files.shown(name)), files.open(name, compression=None) as stream:
        while size <= MAX_FILE_BYTES and (part := bytes(stream.read(CHUNK))):
            parts.append(part)
            size += len(part)
    return b"".join(parts)


def _refuse_labels(files: Files) -> None:
    """Raise SourceError if images have YOLO labels in a folder `labels`, but lie in no folder `images` themselves."""
    stems = {os.path.splitext(os.path.basename(name))[0] for name in files.names}
    for name in files.others:
        stem, ending = os.path.splitext(os.path.basename(name))
        if ending.lower() == ".txt" and stem in stems and LABELS in name.lower().split("/")[:-1]:
            advice = Advice(("source", "format"), "images")
            raise SourceError(
                f"{files.shown(name)}: looks like labels of YOLO, whose images lie in `images` beside `labels`, and"
                f" there is no such folder; rename their folder, or set {advice} to have its name as class",
                code="stray-labels",
                advice=advice,
            )


def _advice(files: Files) -> str:
    """Return advice, for a message, if there are files beside the images that look like annotations."""
    endings = {os.path.splitext(name)[1].lower() for name in files.others}
    if ".json" not in endings:
        return ""
    return "; annotations in JSON are read if they are COCO's, and those of LabelMe or VIA are not: export COCO"


def lost(files: Files, source: Source) -> list[str]:
    """Return sentences on files and whole class folders that are not read."""
    return [*unread_classes(files, source), *unread(files)]


FORMAT = Format(columns, batches, together=True, lost=lost, label=lambda *_: "label")
