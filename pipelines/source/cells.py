"""Defines the blocks of raw cells that the formats yield, and checks of column names."""

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
"""A null string scalar; a Python None as a kernel's argument would import pandas."""
BLOCK_ROWS = 65_536
BLOCK_BYTES = 8 << 20


@dataclass(frozen=True)
class Cells:
    """Some rows of one file, column by column.

    `types` names the Arrow type of each column whose type the file gives; other columns are text whose type is still to
    be inferred. Typed columns of JSON Lines are text, too. A typed column whose type cannot hold its cells exactly
    keeps them in the file's type. `raw` holds cells as the file writes them, for columns in which they may differ.
    `stored` names the file's own type of a column (see `schemas.stored`). `missing` counts cells that are null here and
    not-a-number in the file; `worded` counts those that are a word like `NA` in the file, with one such word.
    `rewritten` are columns whose numbers the file writes in another style. `unquoted` counts JSON values that are no
    texts; `nested` are columns with lists or objects.
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
    """Cells with the positions of their rows in the source.

    `rows` (int64) holds the position of each row in the source, from 0. `file` is the file's name in messages, `first`
    the position of the file's first row.
    """

    cells: Cells
    rows: pa.Array
    file: str
    first: int

    def place(self, index: int) -> str:
        """Return the name of a row in messages: the file, and the row's number from 1, not counting a header."""
        return f"{self.file}, data row {self.rows[index].as_py() - self.first + 1:,}"


def numbered(start: int, rows: int) -> pa.Array:
    """Return the int64 array start, start + 1, … of length `rows`, without `pyarrow.array`, which imports pandas."""
    return pa.Array.from_buffers(pa.int64(), rows, [None, pa.py_buffer(np.arange(start, start + rows))])


def texts(words: Iterable[str]) -> pa.Array:
    """Return a few words as a string array, without `pyarrow.array`, which imports pandas."""
    encoded = [word.encode() for word in words]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


EMPTY = texts([""])[0]


def check_chosen(names: Sequence[str], source: Source) -> None:
    """Raise SpecError if `columns`, `drop` or `carry` of the spec's source name a column that is not there."""
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
    """Raise SourceError if columns share a name, have a reserved name, or are too many."""
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
