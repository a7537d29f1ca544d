"""Copies the source, typed and hashed, into the build's folder, block by block; the rest of a build reads that copy.

Memory is bounded by a block, so the source may be larger than the machine's memory.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.modality import content_column, load_part, modality_of
from pipelines.source import read_source
from pipelines.source.stored_types import beside, without_own
from pipelines.source.strata import stratum_column
from pipelines.storage.folder import Folder
from schemas.arrow import ROW, STRATUM
from schemas.plan import Plan
from schemas.spec import Source

FINGERPRINT, FILES = "_fingerprint", "files.json"


@dataclass(frozen=True)
class RealRows:
    """The typed copy of the source: Arrow files named `files`, in the source's order.

    The files hold the source's columns, second columns of cells that need the source's type (see
    `stored_types.beside`), `_row` (int64, the position in the source, or the row's number in an earlier version),
    `_stratum` (string dictionary) and `_fingerprint` (uint64).
    """

    folder: Folder
    files: Sequence[str]

    def tables(self) -> Iterator[pa.Table]:
        """Yield the rows, a file at a time, in the types to compute with."""
        return (without_own(self.folder.read_arrow(name)) for name in self.files)

    def own_cells(self, plan: Plan) -> Iterator[pa.Table]:
        """Yield the source's columns at full precision, a file at a time."""
        names = {column.name: name for name, column in beside(plan.profile.columns).items()}
        chosen = [names.get(column.name, column.name) for column in plan.profile.columns]
        return (self.folder.read_arrow(name).select(chosen) for name in self.files)


def ingest(source: Source, plan: Plan, folder: Folder) -> RealRows:
    """Copy the source into `folder`, unless a complete copy is there; the list of files is written last."""
    if folder.exists(FILES):
        return ingested(folder)
    folder.remove()
    files = []
    for number, table in enumerate(read_source(source, plan.profile, own=True)):
        table = table.append_column(STRATUM, stratum_column(table, plan.by, plan.class_values))
        table = table.append_column(FINGERPRINT, pa.array(fingerprint(table, plan)))
        files.append(f"{number:06d}.arrow")
        folder.write_arrow(files[-1], table)
    folder.write_sealed(FILES, json.dumps(files).encode())
    return RealRows(folder, files)


def fingerprint(table: pa.Table, plan: Plan) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each row, shape (rows,).

    The hash covers all columns but ids, or a text and its class, or the pixels of an image: see `Modality.hashes`.
    """
    if content := content_column(plan.profile.columns):
        columns = [content, *plan.by]  # the other columns of made rows are null
    else:
        columns = [column.name for column in plan.profile.columns if column.role not in ("id", "carried")]
    hashes: NDArray[np.uint64] = load_part(modality_of(plan).hashes)(table.select(columns))
    return hashes


def renumber(real: RealRows, numbers: NDArray[np.int64]) -> None:
    """Set `_row` of the copy's rows, in order, to `numbers`, and rewrite only files that change, their list last."""
    files, start, changed = [], 0, False
    for name in real.files:
        table = real.folder.read_arrow(name)
        own = numbers[start : start + table.num_rows]
        start += table.num_rows
        if not np.array_equal(own, np.asarray(table[ROW])):
            changed, name = True, f"numbered-{name.removeprefix('numbered-')}"
            real.folder.write_arrow(name, table.set_column(table.schema.get_field_index(ROW), ROW, pa.array(own)))
        files.append(name)
    if changed:
        real.folder.write_sealed(FILES, json.dumps(files).encode())


def ingested(folder: Folder) -> RealRows:
    """Return the copy that `ingest` wrote to `folder`."""
    return RealRows(folder, json.loads(folder.read_sealed(FILES)))
