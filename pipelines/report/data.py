"""What a report is made from, and what a section of one is. Knows nothing of plots or pages."""

from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from schemas.arrow import STRATUM
from schemas.evaluation import Evaluation
from schemas.manifest import Manifest
from schemas.plan import Role

Item = TypeVar("Item")

REASON = "_reason"
"""Name of the column that says why a rejected row was rejected."""


@dataclass(frozen=True)
class ReportData:
    """Everything that the report shows.

    `real` and `synthetic` hold up to some ten thousand rows each, drawn evenly, with the source's columns and
    `_stratum`; `rejected` holds a few candidates with `_reason` besides. `timings` are seconds by step, in order;
    `notes` are plain sentences. `evaluation` is there where the spec asks for one.
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


def text_column(manifest: Manifest) -> str | None:
    """Return the name of the column that holds the text, of a dataset of texts."""
    return _first(manifest, "text")


def image_column(manifest: Manifest) -> str | None:
    """Return the name of the column that holds the image, of a dataset of images."""
    return _first(manifest, "image")


def objects_column(manifest: Manifest) -> str | None:
    """Return the name of the column that holds what is marked in the image, of a dataset of marked images."""
    return _first(manifest, "objects")


def _first(manifest: Manifest, role: Role) -> str | None:
    return next((column.name for column in manifest.columns if column.role == role), None)


def unit(manifest: Manifest) -> str:
    """Return what the rows of the dataset are called."""
    return "images" if manifest.modality == "image" else "rows"


def by_size(manifest: Manifest) -> list[str]:
    """Return the strata, those with the most source rows first."""
    return sorted(manifest.counts, key=lambda name: (-manifest.source_counts.get(name, 0), name))


def ends(items: list[Item], most: int) -> tuple[list[Item], list[Item]]:
    """Split `items` into those shown, half from each end where there are more than `most`, and those left out."""
    if len(items) <= most:
        return items, []
    head = most // 2
    tail = len(items) - (most - head)
    return items[:head] + items[tail:], items[head:tail]


def with_images(table: pa.Table, column: str) -> pa.Table:
    """Return the rows whose image is there."""
    return table.filter(pc.is_valid(pc.struct_field(table[column], "bytes")))
