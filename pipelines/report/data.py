"""The input of a report, and its sections. Knows nothing of plots or pages."""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.arrow import REASON, STRATUM
from schemas.evaluation import Evaluation
from schemas.manifest import Manifest

Item = TypeVar("Item")


@dataclass(frozen=True)
class ReportData:
    """Everything that the report shows.

    `real` and `synthetic` hold up to some ten thousand rows each, evenly drawn, with the source's columns and
    `_stratum`; `rejected` holds a few candidates with `_reason` as well. `timings` are seconds by step, in order;
    `notes` are plain sentences. `evaluation` is set where the spec asks for one.
    """

    manifest: Manifest
    real: pa.Table
    synthetic: pa.Table
    rejected: pa.Table
    timings: dict[str, float]
    notes: list[str]
    evaluation: Evaluation | None = None


@dataclass(frozen=True)
class Section:
    """One part of the page: `template` is rendered with `view`, under the heading `title`."""

    anchor: str
    title: str
    template: str
    view: Any


def source_columns(table: pa.Table) -> list[str]:
    """Return the names of the columns that come from the source, in order."""
    return [name for name in table.column_names if name not in (STRATUM, REASON)]


def objects_column(manifest: Manifest) -> str | None:
    """Return the name of the column of marked objects, or None."""
    return next((column.name for column in manifest.columns if column.role == "objects"), None)


def by_size(manifest: Manifest) -> list[str]:
    """Return the strata, those with the most source rows first."""
    return sorted(manifest.counts, key=lambda name: (-manifest.source_counts.get(name, 0), name))


def draw_rows(rows: NDArray[np.intp], count: int) -> list[int]:
    """Return `count` of the row numbers at most, in random order, the same each time."""
    return [int(row) for row in np.random.default_rng(0).permutation(rows)[:count]]


def split_ends(items: list[Item], most: int) -> tuple[list[Item], list[Item]]:
    """Split `items` into those shown, half from each end where there are more than `most`, and those left out."""
    if len(items) <= most:
        return items, []
    head = most // 2
    tail = len(items) - (most - head)
    return items[:head] + items[tail:], items[head:tail]
