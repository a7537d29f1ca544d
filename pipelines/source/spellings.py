"""Records which texts of the source become one class, since they differ in blanks or in how a number is written.

A bounded number of cells is kept, as the file writes them and as they are read.
"""

import json
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.source.cells import Block, texts
from pipelines.source.infer import STRING, convert
from pipelines.source.strata import value_of
from schemas.plan import Merged, Value

MOST = 100_000
"""The most texts kept of a column; columns with more are not recorded."""
LISTED = 20
"""The most classes listed of a column, and the most spellings of each."""


class Spellings:
    """The texts of each `by` column so far, as they are read and as the file writes them."""

    def __init__(self, by: list[str]) -> None:
        self._found: dict[str, dict[str, set[str]]] = {name: {} for name in dict.fromkeys(by)}

    def observe(self, block: Block) -> None:
        """Add the texts of a block."""
        for name, found in list(self._found.items()):
            cells = block.cells.columns.get(name)
            if cells is None or not pa.types.is_string(cells.type):
                continue
            for read, written in _pairs(cells, block.cells.raw.get(name), block.cells.types.get(name)):
                found.setdefault(read, set()).add(written)
            if sum(map(len, found.values())) > MOST:
                del self._found[name]

    def finish(self, types: Mapping[str, str]) -> list[Merged]:
        """Return the classes of several spellings; `types` holds the type of each column."""
        return [one for name, found in self._found.items() if found for one in _merged(name, found, types[name])]


def _pairs(cells: pa.Array, raw: pa.Array | None, kind: str | None) -> set[tuple[str, str]]:
    """Return each distinct text as it is read and as the file writes it, which is as in JSON for typed files."""
    present = cells.is_valid()
    if raw is None:
        return {
            (read, json.dumps(read) if kind == STRING else read) for read in cells.filter(present).unique().to_pylist()
        }
    both = pa.table([cells.filter(present), raw.filter(present)], names=["read", "raw"])
    same = pc.equal(both["read"], both["raw"])
    pairs = {(read, read) for read in both["read"].filter(same).unique().to_pylist()}
    changed = both.filter(pc.invert(same))
    return pairs | set(zip(changed["read"].to_pylist(), changed["raw"].to_pylist(), strict=True))


def _merged(name: str, found: Mapping[str, set[str]], kind: str) -> list[Merged]:
    values = convert(texts(found), kind)
    if values is None:  # the source changed while it was read, for which `Classes` raises the error
        return []
    classes: dict[Value, set[str]] = {}
    for cell, written in zip(values.to_pylist(), found.values(), strict=True):
        classes.setdefault(value_of(cell), set()).update(written)
    several = [(value, sorted(written)) for value, written in classes.items() if len(written) > 1]
    return [Merged(column=name, value=value, spellings=written[:LISTED]) for value, written in several[:LISTED]]
