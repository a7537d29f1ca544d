"""The hand-off between the formats and what is made of them: raw cells, a block at a time."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from schemas.arrow import PARENT_ROW, PROVENANCE, ROW, STRATUM
from schemas.errors import Fault, SourceError, SpecError, nearest
from schemas.spec import Source

RESERVED = frozenset({*PROVENANCE.names, STRATUM, ROW, PARENT_ROW, "_fingerprint"})
MAX_COLUMNS = 10_000
NO_TEXT = pa.nulls(1, pa.string())[0]
"""A null text; a Python None among the arguments of a kernel would import pandas."""
BLOCK_ROWS = 65_536
BLOCK_BYTES = 8 << 20


@dataclass(frozen=True)
class Cells:
    """Some rows of one file, column by column.

    `types` names the Arrow type of columns where the file itself tells it; the others are text whose type is still
    to be found. A typed column of a JSON Lines file is text too, of the type that its values have. A typed column whose
    cells the type cannot hold to the last digit has them as they are in the file. `raw` holds the cells of some columns
    as they stand in the file, where that may be something else than what is read. `stored` names the file's own type
    of a column (see `schemas.stored`). `missing` counts cells that are null here and not-a-number there, and `worded`
    those that hold a word like `NA` there, with one of them. `rewritten` are columns with numbers that the file has in
    another style. `unquoted` counts JSON's values that are no texts; in `nested` columns there are lists or objects.
    """

    columns: dict[str, pa.Array]
    types: dict[str, str]
    rows: int
    raw: dict[str, pa.Array] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    worded: dict[str, tuple[int, str]] = field(default_factory=dict)
    rewritten: frozenset[str] = frozenset()
    unquoted: dict[str, int] = field(default_factory=dict)
    nested: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Block:
    """Cells with their place: `file` as messages show it, `first` the position of its first row in the source.

    `rows` (int64) holds the position of each row in the source, from zero.
    """

    cells: Cells
    rows: pa.Array
    file: str
    first: int

    def place(self, index: int) -> str:
        """Return how messages name a row: the file, and the row counted from 1 after any header."""
        return f"{self.file}, data row {self.rows[index].as_py() - self.first + 1:,}"


def numbered(start: int, rows: int) -> pa.Array:
    """Return the int64 array start, start + 1, …; made of a buffer, since `pyarrow.array` would import pandas."""
    return pa.Array.from_buffers(pa.int64(), rows, [None, pa.py_buffer(np.arange(start, start + rows))])


def texts(words: Iterable[str]) -> pa.Array:
    """Return a few words as a string array; made of buffers, since `pyarrow.array` would import pandas."""
    encoded = [word.encode() for word in words]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


EMPTY = texts([""])[0]


def check_chosen(names: Sequence[str], source: Source) -> None:
    """Raise SpecError where the spec names, among the columns to read or to leave out, one that is not there."""
    named = [("columns", name) for name in source.columns or []]
    named += [(key, name) for key in ("drop", "carry") for name in getattr(source, key)]
    faults = [
        Fault(("source", key), f"the source has no column {name!r}{nearest(name, names[:50])}")
        for key, name in named
        if name not in names
    ]
    if faults:
        raise SpecError(*faults)


def check_names(names: list[str], file: str, hint: str = "") -> None:
    """Raise SourceError for columns that share a name, bear a reserved one, or are too many to be columns."""
    odd = next((name for name in names if re.search("[\ud800-\udfff]", name)), None)
    if odd is not None:
        raise SourceError(
            f"{file}: the column name {odd!r} holds half a surrogate pair, which is no character; mend it"
        )
    if len(names) > MAX_COLUMNS:
        raise SourceError(f"{file}: {len(names):,} columns, more than {MAX_COLUMNS:,}; are these values, not columns?")
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        listed = ", ".join(map(repr, twice[:5]))
        raise SourceError(f"{file}: more than one column is named {listed}; give each column a name of its own{hint}")
    taken = sorted(RESERVED.intersection(names))
    if taken:
        raise SourceError(
            f"{file}: the column name {taken[0]!r} is reserved for makeweight's own columns "
            f"({', '.join(sorted(RESERVED))}); rename the column in the source"
        )
