"""Sections that show images: real beside made ones for each class, and rejected ones by their reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from generators.image.codec import decode
from pipelines.modality import content_column
from pipelines.report.compare import strata_of
from pipelines.report.data import ReportData, Section, draw_rows, objects_column
from pipelines.report.image.marks import Marked, look_of, mark_image, with_images
from pipelines.report.image.thumbnails import Thumbnail, thumbnail
from schemas.arrow import REASON, STRATUM

SHOWN_CLASSES, SHEET_IMAGES, MARKED_IMAGES = 12, 16, 6
REJECTED_REASONS, REJECTED_IMAGES, REJECTED_MARKED = 8, 16, 3
SIDE, MOST_BYTES = 96, 4_500


@dataclass(frozen=True)
class Sheet:
    """Images of one class; `counts` are the class's images in the dataset, (real, made)."""

    name: str
    counts: tuple[int, int]
    real: list[Thumbnail]
    made: list[Thumbnail]


@dataclass(frozen=True)
class Sheets:
    """The sheets of the classes with the most made images; `left_out` classes are not shown."""

    made: str
    sheets: list[Sheet]
    left_out: int


@dataclass(frozen=True)
class Gallery:
    """Images with their boxes; `legend` holds the classes, each with the look of its lines."""

    made: str
    legend: list[tuple[str, str]]
    real: list[Marked]
    synthetic: list[Marked]


def image_section(data: ReportData) -> Section | None:
    """Return images, real beside made ones, the same each time; None for other datasets or without made images."""
    column, objects = content_column(data.manifest.columns), objects_column(data.manifest)
    if column is None or not data.synthetic.num_rows:
        return None
    real, made = (with_images(table, column) for table in (data.real, data.synthetic))
    if objects is not None:
        return _gallery_section(data, column, objects, (real, made))
    counts = data.manifest.counts
    strata = strata_of(real), strata_of(made)
    names = sorted(set(strata[1]) & set(counts), key=lambda name: (-counts[name].synthetic, name))
    sheets = [
        Sheet(
            name,
            (counts[name].real, counts[name].synthetic),
            _make_thumbnails(real[column], draw_rows(np.flatnonzero(strata[0] == name), SHEET_IMAGES)),
            _make_thumbnails(made[column], draw_rows(np.flatnonzero(strata[1] == name), SHEET_IMAGES)),
        )
        for name in names[:SHOWN_CLASSES]
    ]
    view = Sheets(data.manifest.origin, sheets, len(names) - len(sheets))
    return Section("images", f"Images, real beside {view.made}", "report_images.html", view)


def _make_thumbnails(column: pa.ChunkedArray, rows: Sequence[int]) -> list[Thumbnail]:
    return [thumbnail(decode(column[row].as_py()["bytes"]), SIDE, MOST_BYTES) for row in rows]


def _gallery_section(data: ReportData, column: str, objects: str, sides: tuple[pa.Table, pa.Table]) -> Section:
    looks = _choose_looks(data, objects)
    real, made = (
        [_mark_row(side, row, column, objects, looks) for row in _draw_varied(side[objects])] for side in sides
    )
    view = Gallery(data.manifest.origin, _legend(looks, [*real, *made]), real, made)
    return Section("images", f"Images and their boxes, real beside {view.made}", "report_boxes.html", view)


def _choose_looks(data: ReportData, objects: str) -> dict[str, str]:
    """Return the look of each class's lines; where classes share one, these are the rarest."""
    known = data.manifest.boxes or {}
    tables = (data.real, data.synthetic, data.rejected)
    seen = {name for table in tables for names in _list_categories(table[objects]) for name in names}
    order = sorted(known, key=lambda name: (-known[name].reached, name)) + sorted(seen - set(known))
    return {name: look_of(number) for number, name in enumerate(order)}


def _legend(looks: dict[str, str], images: list[Marked]) -> list[tuple[str, str]]:
    """Return the classes in the images."""
    there = {mark.name for image in images for mark in image.marks}
    return [(name, look) for name, look in looks.items() if name in there]


def _mark_row(table: pa.Table, row: int, column: str, objects: str, looks: dict[str, str]) -> Marked:
    return mark_image(decode(table[column][row].as_py()["bytes"]), table[objects][row].as_py(), looks)


def _list_categories(column: pa.ChunkedArray) -> list[set[str]]:
    return [{str(one["category"]) for one in row or []} for row in column.to_pylist()]


def _draw_varied(column: pa.ChunkedArray) -> list[int]:
    """Draw images at random, so that each class comes in turn, the rarest first."""
    held = _list_categories(column)
    order = draw_rows(np.arange(len(held)), len(held))
    rarity = {name: sum(name in names for names in held) for name in set().union(*held)}
    names = sorted(rarity, key=lambda name: (rarity[name], name))
    chosen: list[int] = []
    for turn in range(min(MARKED_IMAGES, len(order))):
        left = [row for row in order if row not in chosen]
        fitting = [row for row in left if names and names[turn % len(names)] in held[row]]
        chosen.append((fitting or left)[0])
    return chosen


@dataclass(frozen=True)
class Refused:
    """Images that one check rejected, each with the requested class; `left_out` more are not shown."""

    reason: str
    images: list[tuple[str, Thumbnail]]
    marked: list[tuple[str, Marked]]
    left_out: int


@dataclass(frozen=True)
class RefusedSheet:
    """Rejected images by reason, the most frequent first; `left_out` reasons are not shown."""

    groups: list[Refused]
    legend: list[tuple[str, str]]
    left_out: int


def rejected_image_section(data: ReportData) -> Section | None:
    """Return some rejected images under the reason for each; None for other datasets."""
    column, objects = content_column(data.manifest.columns), objects_column(data.manifest)
    if column is None:
        return None
    table = with_images(data.rejected, column)
    reasons: dict[str, list[int]] = {}
    for row, reason in enumerate(table[REASON].cast(pa.string()).to_pylist()):
        reasons.setdefault(str(reason), []).append(row)
    order = sorted(reasons, key=lambda reason: (-len(reasons[reason]), reason))
    looks = _choose_looks(data, objects) if objects is not None else {}
    groups = [
        _refused_images(reason, table.take(pa.array(reasons[reason])), column, objects, looks)
        for reason in order[:REJECTED_REASONS]
    ]
    if not groups:
        return None
    legend = _legend(looks, [image for group in groups for _, image in group.marked])
    view = RefusedSheet(groups, legend, len(order) - len(groups))
    return Section("rejected", "Rejected images", "report_rejected_images.html", view)


def _refused_images(reason: str, table: pa.Table, column: str, objects: str | None, looks: dict[str, str]) -> Refused:
    names: list[Any] = table[STRATUM].cast(pa.string()).to_pylist()
    rows = draw_rows(np.arange(len(names)), REJECTED_IMAGES if objects is None else REJECTED_MARKED)
    asked = [str(names[row]) for row in rows]
    if objects is None:
        images, boxed = list(zip(asked, _make_thumbnails(table[column], rows), strict=True)), []
    else:
        found = [_mark_row(table, row, column, objects, looks) for row in rows]
        images, boxed = [], list(zip(asked, found, strict=True))
    return Refused(reason, images, boxed, len(names) - len(rows))
