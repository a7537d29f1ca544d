"""Detects columns of plain numbers whose later rows write numbers in another style: they would silently become text.

Styles that the first rows show are found earlier (see `tabular.number_styles`).
"""

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.source.cells import Block
from schemas.errors import SourceError

HEAD = 1_000
"""The number of first rows of a file in which styles were found earlier."""
_PLAIN = r"^[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?$"
_BLANKS = r" \x{a0}\x{202f}'\x{2019}"
_OTHERS = tuple(
    rf"^[+-]?(?:[1-9][0-9]{{0,2}}(?:[{group}{_BLANKS}][0-9]{{3}})+|0|[1-9][0-9]*)(?:[{mark}][0-9]+)?$"
    for mark, group in (",.", ".,")
)


def begins_plain(cells: pa.Array) -> bool:
    """Whether the first cells of a column that are not null are all plain numbers."""
    head = cells.slice(0, HEAD).drop_null()
    return len(cells) > HEAD and len(head) > 0 and _all(head.slice(0, 64), _PLAIN) and _all(head, _PLAIN)


@dataclass
class LateState:
    """The styles that all cells other than plain numbers share so far, and the first of these cells."""

    styles: list[str] = field(default_factory=lambda: list(_OTHERS))
    place: str = ""
    cell: str = ""

    def observe(self, cells: pa.Array, block: Block) -> None:
        """Add the column's cells of a block."""
        if not self.styles:
            return
        other = pc.fill_null(pc.invert(pc.match_substring_regex(cells, _PLAIN)), False)
        found = cells.filter(other)
        self.styles = [style for style in self.styles if _all(found, style)]
        if len(found) and not self.place:
            self.place, self.cell = block.place(pc.index(other, True).as_py()), str(found[0].as_py())

    def refuse(self, column: str) -> None:
        """Raise SourceError if all cells other than plain numbers are numbers of one style."""
        if self.place and self.styles:
            raise SourceError(
                f"{self.place}: column {column!r} holds plain numbers in the first rows, but here is"
                f" {self.cell[:80]!r}; set source.decimal and source.thousands to how numbers are written, or the"
                " column's source.types to string if these are none"
            )


def _all(cells: pa.Array, pattern: str) -> bool:
    return pc.all(pc.match_substring_regex(cells, pattern)).as_py() is not False
