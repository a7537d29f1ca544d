"""Sections that show rows as they are: real beside synthetic for each class, and rejected candidates."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipelines.modality import content_column
from pipelines.report.compare import strata_of
from pipelines.report.data import ReportData, Section, draw_rows, source_columns
from pipelines.report.wording import Cell, cell
from schemas.arrow import REASON, STRATUM

SAMPLED_CLASSES, SAMPLED_ROWS, SAMPLED_COLUMNS, REJECTED_ROWS = 6, 3, 40, 20
LONG_TEXT = 280
"""Characters of a text that are shown; of a longer one, those from the middle are left out."""


@dataclass(frozen=True)
class ClassSample:
    """Transposed rows of one class: each of `lines` is a column's name, its real values and its synthetic ones."""

    name: str
    real: int
    synthetic: int
    lines: list[tuple[str, list[Cell], list[Cell]]]


@dataclass(frozen=True)
class Samples:
    """Sampled rows of the classes with the most synthetic rows, and the number of those left out."""

    classes: list[ClassSample]
    classes_left_out: int
    columns_left_out: int


def sample_section(data: ReportData) -> Section | None:
    """Return a few rows of each class that has synthetic ones, the same rows each time."""
    counts = data.manifest.counts
    real, synthetic = strata_of(data.real), strata_of(data.synthetic)
    there = set(synthetic)
    names = sorted((name for name in counts if name in there), key=lambda name: (-counts[name].synthetic, name))
    if not names:
        return None
    columns = source_columns(data.real)
    shown = columns[:SAMPLED_COLUMNS]
    classes = [
        _sample(data, name, _pick_rows(real == name), _pick_rows(synthetic == name), shown)
        for name in names[:SAMPLED_CLASSES]
    ]
    view = Samples(classes, len(names) - len(classes), len(columns) - len(shown))
    return Section("samples", "Rows, real beside synthetic", "report_samples.html", view)


def _pick_rows(mask: "np.typing.NDArray[np.bool_]") -> list[int]:
    """Return some of the rows that `mask` marks, in order."""
    rows = np.flatnonzero(mask)
    return sorted(draw_rows(rows, SAMPLED_ROWS))


def _sample(data: ReportData, name: str, real: list[int], synthetic: list[int], columns: list[str]) -> ClassSample:
    here, there = data.real.take(pa.array(real, pa.int64())), data.synthetic.take(pa.array(synthetic, pa.int64()))
    known = set(there.column_names)
    lines = [
        (
            column,
            [cell(value) for value in here.column(column).to_pylist()],
            [cell(value) for value in there.column(column).to_pylist()] if column in known else [],
        )
        for column in columns
    ]
    return ClassSample(name, len(real), len(synthetic), lines)


@dataclass(frozen=True)
class RejectedRows:
    """Rejected candidates as (class, reason, cells); `texts` says that cells may hold long texts."""

    texts: bool
    columns: list[str]
    rows: list[tuple[str, str, list[Cell]]]
    columns_left_out: int
    rows_left_out: int


def rejected_section(data: ReportData) -> Section | None:
    """Return some rejected candidates with the reason for each."""
    table = data.rejected
    if not table.num_rows:
        return None
    columns = source_columns(table)
    shown = columns[:SAMPLED_COLUMNS]
    head = table.slice(0, REJECTED_ROWS)
    most = dict.fromkeys(filter(None, [content_column(data.manifest.columns)]), LONG_TEXT)
    values = [[cell(value, most.get(name, 28)) for value in head.column(name).to_pylist()] for name in shown]
    classes, reasons = (head.column(name).cast("string").to_pylist() for name in (STRATUM, REASON))
    rows = [
        (str(c), str(r), [column[i] for column in values])
        for i, (c, r) in enumerate(zip(classes, reasons, strict=True))
    ]
    view = RejectedRows(bool(most), shown, rows, len(columns) - len(shown), table.num_rows - head.num_rows)
    return Section("rejected", "Rejected rows", "report_rejected.html", view)
