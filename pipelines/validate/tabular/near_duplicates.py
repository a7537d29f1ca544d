"""Refuses near-duplicates: no candidate may be nearly equal to a real row, or to a row that was accepted before.

In a table two rows are near-duplicates when every text, boolean and class column is equal (null equals null), and every
number, date or time differs by at most `tolerance` times the column's scale. The scale is the interquartile range of
the real rows divided by 1.349: for a normal column that is its standard deviation, but outliers do not change it. Where
at least half of the rows share one value, so that it is 0, the standard deviation takes its place. Ids are left out.
"""

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from generators import base
from pipelines.source.fingerprint import mix, row_hashes
from pipelines.storage.arrays import map_array
from pipelines.validate.base import Batch, Novelty, Verdict
from pipelines.validate.duplicates import AdmitAll
from pipelines.validate.tabular.features import to_floats
from pipelines.validate.tabular.grid import Cells, Hashes, Points, own_cells, sort_cells
from pipelines.validate.tabular.near_memory import NearSet, pack
from schemas.plan import Plan

_SLAB = 65_536  # rows processed at once
_IQR_OF_NORMAL = 1.349  # in standard deviations


class NearDuplicatesParams(base.Params):
    """How similar two rows may be, and what candidates are compared with."""

    tolerance: float = Field(0.01, ge=0, allow_inf_nan=False, description="Largest difference, in the column's scale.")
    against_real: bool = Field(True, description="Refuse near-duplicates of real rows.")
    among_synthetic: bool = Field(True, description="Refuse those of rows of the same class accepted before.")


@dataclass(frozen=True)
class _Layout:
    """How numbers are compared: `steps` is the largest difference of each `measured` column; others must be equal."""

    measured: list[int]
    steps: list[float]


class NearDuplicates:
    """Refuses near-duplicates of real and of accepted rows.

    The sketches are uint64 of shape (rows, 1 + measured columns).

    Example:
        validate: [{name: near_duplicates, params: {tolerance: 0.05}}]

    """

    name: ClassVar[str] = "near_duplicates"
    Params: ClassVar[type[base.Params]] = NearDuplicatesParams

    def __init__(self, params: NearDuplicatesParams, plan: Plan) -> None:
        self._params = params
        compared = [column for column in plan.profile.columns if column.role not in ("id", "carried")]
        equal = {plan.label, *plan.by, *(column.name for column in compared if column.type in ("string", "bool"))}
        self._equal_columns = [column.name for column in compared if column.name in equal]
        self._numbers = [column.name for column in compared if column.name not in equal]
        self._is_whole = [column.type != "double" for column in compared if column.name not in equal]
        self._layout = _Layout([], [])
        self._cells: Cells | None = None
        self._folder: TemporaryDirectory[str] | None = None

    def fit(self, real: Iterable[Batch]) -> None:
        """Learn the scales, and index the real rows on disk; about 24 bytes a row are in memory for a short time."""
        self._folder = TemporaryDirectory(prefix="makeweight-near-")
        folder = Path(self._folder.name)
        hashes, numbers = self._spool(real, folder / "numbers.bin")
        self._layout = _learn_layout(numbers, self._is_whole, self._params.tolerance)
        (folder / "layout.json").write_text(json.dumps(asdict(self._layout)))
        if self._params.against_real:
            _write_index(folder, hashes, numbers, self._layout)
        del numbers
        (folder / "numbers.bin").unlink()
        self.load(folder)

    def check(self, batch: Batch) -> Verdict:
        """Refuse the near-duplicates of real rows."""
        if self._cells is None:
            return Verdict(np.ones(len(batch.table), np.bool_))
        is_close = self._cells.is_near(*self._points(batch.table))
        count = int(is_close.sum())
        return Verdict(~is_close, {"close to a real row": count} if count else {})

    def sketch(self, batch: Batch) -> Hashes:
        """Return the group (a hash of the columns that must be equal) and the coordinates (in largest differences)."""
        return pack(*self._points(batch.table))

    def novelty(self) -> Novelty:
        """Return an empty memory, or one that admits all where synthetic rows are not compared."""
        return NearSet() if self._params.among_synthetic else AdmitAll()

    def save(self, path: Path) -> None:
        """Copy the index: layout.json and, against real rows, keys.npy, starts.npy and points.npy."""
        if self._folder is None:
            raise RuntimeError("near_duplicates: save comes after fit")
        shutil.copytree(self._folder.name, path, dirs_exist_ok=True)

    def load(self, path: Path) -> None:
        """Map the index into memory: actors on one machine share its pages."""
        self._layout = _Layout(**json.loads((path / "layout.json").read_text()))
        if self._params.against_real:
            self._cells = Cells(*(map_array(path / f"{name}.npy") for name in ("keys", "starts", "points")))

    def _spool(self, real: Iterable[Batch], path: Path) -> tuple[Hashes, Points]:
        """Write the numbers of all rows to disk; return a hash of each row's other columns, and the mapped numbers."""
        hashes = [np.zeros(0, np.uint64)]
        with open(path, "wb") as sink:
            for batch in real:
                hashes.append(row_hashes(batch.table.select(self._equal_columns)))
                sink.write(_numbers(batch.table, self._numbers).tobytes())
        rows, width = sum(map(len, hashes)), len(self._numbers)
        if rows * width == 0:
            return np.concatenate(hashes), np.zeros((rows, width))
        return np.concatenate(hashes), np.memmap(path, np.float64, "r", shape=(rows, width))

    def _points(self, table: pa.Table) -> tuple[Hashes, Points]:
        return _to_points(row_hashes(table.select(self._equal_columns)), _numbers(table, self._numbers), self._layout)


def _numbers(table: pa.Table, names: list[str]) -> Points:
    """Return the columns as float64 of shape (rows, columns), NaN for null; dates in days, times in their own unit."""
    matrix = np.empty((table.num_rows, len(names)))
    for position, name in enumerate(names):
        matrix[:, position] = to_floats(table.column(name))
    return matrix


def _learn_layout(numbers: Points, whole: list[bool], tolerance: float) -> _Layout:
    """Choose which columns are measured; columns that may not differ at all are compared by equality.

    The columns that tell most rows apart come first, since they define the cells. In a column of whole numbers
    (`whole`) with a largest difference below 1 no two distinct values are near: equality says the same, and faster.
    """
    columns = []
    for position in range(numbers.shape[1]):
        values = numbers[:, position]
        values = values[np.isfinite(values)]
        step = tolerance * _scale(values)
        if step > 0 and np.isfinite(step) and not (whole[position] and step < 1):
            cells = len(np.unique(np.floor(values[:: len(values) // _SLAB + 1] / step)))
            columns.append((-cells, position, step))
    columns.sort()
    return _Layout([position for _, position, _ in columns], [step for _, _, step in columns])


def _scale(values: Points) -> float:
    if not len(values):
        return 0.0
    low, high = np.quantile(values, [0.25, 0.75])
    with np.errstate(over="ignore", invalid="ignore"):
        return float((high - low) / _IQR_OF_NORMAL) or float(np.std(values))


def _to_points(hashes: Hashes, numbers: Points, layout: _Layout) -> tuple[Hashes, Points]:
    """Return each row's group and its coordinates. Nulls, and numbers too large to scale, are part of the group."""
    groups, points = hashes.copy(), np.empty((len(hashes), len(layout.measured)))
    for position in range(numbers.shape[1]):
        values = numbers[:, position] + 0.0  # -0.0 + 0.0 is 0.0
        if position in layout.measured:
            axis = layout.measured.index(position)
            with np.errstate(over="ignore", invalid="ignore"):
                scaled = values / layout.steps[axis]
            odd = ~np.isfinite(scaled)
            points[:, axis] = np.where(odd, 0.0, scaled)
            values = np.where(odd, values, 0.0)
        values[np.isnan(values)] = np.nan  # one pattern of bits for all
        mix(np.bitwise_xor(groups, values.view(np.uint64), out=groups))
    return groups, points


def _write_index(folder: Path, hashes: Hashes, numbers: Points, layout: _Layout) -> None:
    """Write the real rows sorted by cell, a slab at a time."""
    slabs = range(0, len(hashes), _SLAB)
    cells = np.empty(len(hashes), np.uint64)
    for start in slabs:
        part = slice(start, start + _SLAB)
        cells[part] = own_cells(*_to_points(hashes[part], numbers[part], layout))
    order, keys, starts = sort_cells(cells)
    np.save(folder / "keys.npy", keys)
    np.save(folder / "starts.npy", starts)
    with open(folder / "points.npy", "wb") as sink:
        shape = (len(hashes), len(layout.measured))
        np.lib.format.write_array_header_2_0(sink, {"descr": "<f8", "fortran_order": False, "shape": shape})
        for start in slabs:
            rows = order[start : start + _SLAB]
            sink.write(_to_points(hashes[rows], numbers[rows], layout)[1].tobytes())
