"""Streams texts in class folders: each text file is a row, its folder's name is its class."""

from collections.abc import Iterator

from pipelines.source.cells import BLOCK_BYTES, BLOCK_ROWS, Cells, texts
from pipelines.source.files import Files, readable
from pipelines.source.formats import Format
from pipelines.source.splits import ClassFolders
from pipelines.source.tabular.delimited import not_utf8
from pipelines.source.unread_files import unread, unread_classes
from schemas.errors import SourceError
from schemas.spec import Source

TEXT = "text"
MAX_TEXT_BYTES = 8 * BLOCK_BYTES
_BOM = b"\xef\xbb\xbf"


def refuse_loose(files: Files, source: Source, kind: str, advice: str = "") -> None:
    """Raise SourceError for a file in no class folder; `kind` (text or image) and `advice` go into the message."""
    classes = ClassFolders(files.names, source.split)
    loose = next((name for name in files.names if classes.find(name) is None), None)
    if loose:
        named = " and ".join(map(repr, classes.splits[:3]))
        advice += f", or set source.split: none if {named} are classes and no splits" if named else ""
        raise SourceError(
            f"{files.shown(loose)}: lies in no class folder; put each {kind} into a folder that is named as its class"
            f"{advice}"
        )


def columns(files: Files, _name: str, source: Source) -> dict[str, str]:
    """Return the two columns and their types: `text`, and the label by its name in the spec."""
    refuse_loose(files, source, "text")
    return {TEXT: "string", source.label: "string"}


def batches(files: Files, _name: str, source: Source, wanted: list[str] | None) -> Iterator[Cells]:
    """Yield the texts of all files in order, in blocks."""
    classes = ClassFolders(files.names, source.split)
    words: list[str] = []
    labels: list[str] = []
    size = 0
    for name in files.names:
        words.append(_read(files, name, source))
        labels.append(str(classes.find(name)))
        size += len(words[-1])
        if len(words) == BLOCK_ROWS or size >= BLOCK_BYTES:
            yield _cells(words, labels, source, wanted)
            words, labels, size = [], [], 0
    if words:
        yield _cells(words, labels, source, wanted)


def _cells(words: list[str], labels: list[str], source: Source, wanted: list[str] | None) -> Cells:
    found = {TEXT: texts(words), source.label: texts(labels)}
    chosen = {name: array for name, array in found.items() if wanted is None or name in wanted}
    return Cells(chosen, dict.fromkeys(chosen, "string"), len(words))


def _read(files: Files, name: str, source: Source) -> str:
    file = files.shown(name)
    with readable(file), files.open(name, compression=None) as stream:
        data = bytes(stream.read(MAX_TEXT_BYTES + 1)).removeprefix(_BOM)
    if len(data) > MAX_TEXT_BYTES:
        raise SourceError(f"{file}: is longer than {MAX_TEXT_BYTES >> 20} MB; a file holds one text, split it")
    try:
        return data.decode(source.encoding or "utf-8")
    except UnicodeDecodeError as error:
        raise not_utf8(file, error.start, data[error.start], data) from error


def lost(files: Files, source: Source) -> list[str]:
    """Return sentences on files and whole class folders that are not read."""
    return [*unread_classes(files, source), *unread(files)]


FORMAT = Format(columns, batches, together=True, lost=lost, label=lambda *_: "label")
