"""What a format of source files is to the steps: how its columns and rows are read, and what it tells beside them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipelines.source.cells import Cells
from pipelines.source.files import Files
from schemas.spec import Source


@dataclass(frozen=True)
class Format:
    """How files of one format are read; `columns` returns None where only the rows tell.

    Where the files are rows and not tables, both read them all `together`, and get no name.

    Of the first file: `written` says in words how it is written where that is not what its name says, `index` what its
    unnamed first column is called, `headless` whether it has no header row, and `advice` what to do then where a column
    is not found; `names` are those of numbered classes by column. Of all files `lost` says, in sentences, what of them
    is in no row, and `label` which column seems to be the class, where the format is no table and does not fix it.
    """

    columns: Callable[[Files, str, Source], dict[str, str] | None]
    batches: Callable[[Files, str, Source, list[str] | None], Iterator[Cells]]
    together: bool = False
    written: Callable[[Files, Source], str] = lambda *_: ""
    index: Callable[[Files, Source], str | None] = lambda *_: None
    headless: Callable[[Files, Source], bool] = lambda *_: False
    advice: Callable[[Files, Source], str] = lambda *_: ""
    names: Callable[[Files], dict[str, list[str]]] = lambda _: {}
    lost: Callable[[Files, Source], list[str]] = lambda *_: []
    label: Callable[[Files, Source], str | None] = lambda *_: None
