"""Reads images whose classes stand in a table beside them: each row names an image file and its class.

Hugging Face writes such tables (`metadata.csv` or `metadata.jsonl` with `file_name`), and so does Kaggle (`train.csv`,
whose names may lack their extension). The column of file names is the one whose first cells mostly name images.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import pyarrow as pa

from pipelines.source.cells import Block, Cells
from pipelines.source.files import TABLES, Files, format_of
from pipelines.source.formats import Format, blocks
from pipelines.source.image.annotated import INDEX, Index, untaken
from pipelines.source.image.class_folders import NAME, read_images
from pipelines.source.unread_files import unread
from schemas.arrow import IMAGE
from schemas.errors import Fault, SourceError, SpecError, join_first, nearest
from schemas.spec import Source

_TRIED, _MOST = 20, 0.5
"""Rows whose cells are looked up among the images, and the least share of them that must name one."""
_LISTS = ("lists",)
_USUAL = ("file_name", "filename", "file", "image", "image_path", "path", "filepath", "img", "image_name", "image_id")
_LABELS = ("label", "labels", "class", "target", "category")


@dataclass(frozen=True)
class _List:
    """A table that names images: `column` holds their names, relative to the folder `base`."""

    files: Files
    names: Sequence[str]
    column: str
    base: str

    @property
    def others(self) -> list[str]:
        """The columns other than the column of file names."""
        return [name for name in self.names if name != self.column]


def columns(files: Files, _name: str, source: Source) -> dict[str, str]:
    """Return the columns and their types: `image`, and the label by its name in the tables."""
    _chosen(files, source)
    return {NAME: "image", source.label: "string"}


def batches(files: Files, _name: str, source: Source, wanted: list[str] | None) -> Iterator[Cells]:
    """Yield the images in the order of the tables; a missing image is null and keeps its name."""
    index = files.memo[INDEX] = Index(files)
    for one in _chosen(files, source):
        for block in blocks(one.files, source, [one.column, source.label]):
            names = _names(block, one)
            found = [_taken(index, name, one) for name in names]
            labels, start = block.cells.columns[source.label], 0
            for _, images in read_images(files, found):
                here = slice(start, start + len(images))
                paths = [path or name for path, name in zip(found[here], names[here], strict=True)]
                yield _cells(images, paths, labels.slice(start, len(images)), source, wanted)
                start += len(images)


def _cells(images: pa.Array, paths: Sequence[str], labels: pa.Array, source: Source, wanted: list[str] | None) -> Cells:
    named = pa.StructArray.from_arrays([images.field("bytes"), pa.array(paths, pa.string())], fields=list(IMAGE))
    found = {NAME: named, source.label: labels.cast(pa.string())}
    types = {NAME: "image", source.label: "string"}
    chosen = [name for name in found if wanted is None or name in wanted]
    return Cells({name: found[name] for name in chosen}, {name: types[name] for name in chosen}, len(paths))


def _names(block: Block, one: _List) -> list[str]:
    cells = block.cells.columns[one.column]
    if cells.null_count:
        row = cells.is_null().to_pylist().index(True)
        raise SourceError(f"{block.place(row)}: names no image in {one.column!r}; fill it in")
    names: list[str] = cells.to_pylist()
    return names


def _taken(index: Index, name: str, one: _List) -> str | None:
    """Return the path of the image of that name; raise SourceError if the image already has a row."""
    found = index.find(name, one.base)
    if found in index.taken:
        raise SourceError(
            f"{one.files.shown(one.files.names[0])}: {name!r} has more than one row; give each image one row with its"
            " class, or write its boxes as COCO, Pascal VOC or YOLO"
        )
    index.taken |= {found} if found else set()
    return found


def _chosen(files: Files, source: Source) -> list[_List]:
    """Return the tables that name images and have the label column; raise SourceError or SpecError if none does."""
    lists = _lists(files, source)
    if chosen := [one for one in lists if source.label in one.names]:
        return chosen
    known = list(dict.fromkeys(name for one in lists for name in one.others))
    if not lists:
        raise SourceError(f"{files.path}: no table in it names its images; {_ADVICE}")
    [table] = lists[0].files.names
    advice = f"; if {table} itself is the source, and the images are not, set source.format to {lists[0].files.format}"
    problem = f"the source has no column {source.label!r}{nearest(source.label, known)}"
    raise SpecError(Fault(("source", "label"), problem + advice * (source.format is None)))


_ADVICE = "write metadata.csv with the columns file_name and label beside them, or put them into class folders"


def _lists(files: Files, source: Source) -> list[_List]:
    """Return the tables that name images, cached."""
    if _LISTS not in files.memo:
        index = Index(files)
        found = (_list(files, name, source, index) for name in files.names if format_of(name) in TABLES)
        files.memo[_LISTS] = [one for one in found if one]
    lists: list[_List] = files.memo[_LISTS]
    return lists


def _list(files: Files, name: str, source: Source, index: Index) -> _List | None:
    """Return the table as a list of images, or None if no column of its first rows names images."""
    alone, base = replace(files, format=str(format_of(name)), names=[name]), os.path.dirname(name)
    for block in islice(blocks(alone, source), 1):
        names = list(block.cells.columns)
        shares = {column: _share(block.cells.columns[column].slice(0, _TRIED), index, base) for column in names}
        best = max(names, key=lambda column: (shares[column], column.lower() in _USUAL))
        return _List(alone, names, best, base) if shares[best] >= _MOST else None
    return None


def _share(cells: pa.Array, index: Index, base: str) -> float:
    """Return the share (0 to 1) of cells that name an image."""
    some = cells.to_pylist() if pa.types.is_string(cells.type) else []
    return sum(1 for text in some if text and _is_there(index, text, base)) / max(1, len(some))


def _is_there(index: Index, name: str, base: str) -> bool:
    try:
        return index.find(name, base) is not None
    except SourceError:  # several images have this name, which is an error once the rows are read
        return True


def label(files: Files, source: Source) -> str:
    """Return the column that seems to be the class: one with a usual name, or the only one beside the file names."""
    known = list(dict.fromkeys(name for one in _lists(files, source) for name in one.others))
    usual = [name for name in known if name.lower() in _LABELS]
    return next((some[0] for some in (usual, known) if len(some) == 1), usual[0] if usual else source.label)


def lost(files: Files, source: Source) -> list[str]:
    """Return sentences on columns and tables that are not read, and on images in no table."""
    lists = _chosen(files, source)
    names = {one.files.names[0] for one in lists}
    others = list(dict.fromkeys(name for one in lists for name in one.others if name != source.label))
    said = [f"Columns beside file and class that are not read: {join_first(others)}."] if others else []
    tables = [name for name in files.names if format_of(name) in TABLES and name not in names]
    said += [f"Tables that name no image with a class, which are not read: {join_first(tables)}."] if tables else []
    return [*said, *untaken(files), *unread(files)]


FORMAT = Format(columns, batches, together=True, lost=lost, label=label)
