"""Counts the boxes of each class of marked images, and compares them with the targets, in a table and a plot.

Images are kept and made whole, with all their boxes, so that most targets can only be approached.
"""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from pipelines.report.data import ReportData, Section, split_ends
from pipelines.report.plots import counts_plot
from schemas.manifest import Manifest
from schemas.plan import BoxCounts

NEAR = 0.05
"""A class within this share of its target counts as on target."""
PLOTTED_CLASSES, LISTED_CLASSES = 30, 100


@dataclass(frozen=True)
class BoxRow:
    """One line of the table; `off` is how far the class is above (below: negative) its target, None without one."""

    name: str
    counts: BoxCounts
    off: float | None

    @property
    def near(self) -> bool:
        """Whether the class is as near to its target as intended."""
        return self.counts.reached == self.counts.target or (self.off is not None and abs(self.off) <= NEAR)


@dataclass(frozen=True)
class BoxSummary:
    """A summary of all boxes; `far` are the classes that are not near their target, the farthest first."""

    classes: int
    boxes: int
    met: bool
    worst: float
    far: list[BoxRow]


@dataclass(frozen=True)
class BoxTable:
    """The plot, in two widths, and the table; `left_out` classes are not listed."""

    wide: Markup
    narrow: Markup
    plotted: int
    rows: list[BoxRow]
    total: BoxCounts
    classes: int
    left_out: int
    summary: BoxSummary
    images: tuple[int, int]
    contents: int
    made: str


def box_rows(manifest: Manifest) -> list[BoxRow]:
    """Return one line per class of boxes, the largest of the source first."""
    boxes = manifest.boxes or {}
    return [_row(name, boxes[name]) for name in sorted(boxes, key=lambda name: (-boxes[name].before, name))]


def _row(name: str, counts: BoxCounts) -> BoxRow:
    return BoxRow(name, counts, counts.reached / counts.target - 1 if counts.target else None)


def box_summary(manifest: Manifest) -> BoxSummary | None:
    """Return the summary of the boxes; None where none are counted."""
    rows = box_rows(manifest)
    if not rows:
        return None
    far = sorted((row for row in rows if not row.near), key=lambda row: -_distance(row))
    return BoxSummary(
        classes=len(rows),
        boxes=sum(row.counts.reached for row in rows),
        met=all(row.counts.reached == row.counts.target for row in rows),
        worst=max((_distance(row) for row in rows if row.near), default=0.0),
        far=far,
    )


def _distance(row: BoxRow) -> float:
    if row.off is None:
        return float("inf") if row.counts.reached else 0.0
    return abs(row.off)


def box_section(data: ReportData) -> Section | None:
    """Return the boxes of each class before and after; None for datasets without boxes."""
    manifest = data.manifest
    rows, summary = box_rows(manifest), box_summary(manifest)
    if summary is None:
        return None
    plotted, hidden = split_ends(rows, PLOTTED_CLASSES)
    real, rows_made, before = (
        np.array([getattr(row.counts, part) for row in plotted], np.float64) for part in ("real", "made", "before")
    )
    names, cut = [row.name for row in plotted], len(plotted) // 2 if hidden else None
    wide, narrow = (counts_plot(names, real, rows_made, before, width, cut, "boxes") for width in (760, 340))
    rows_listed, rest = split_ends(rows, LISTED_CLASSES)
    counts = manifest.counts.values()
    view = BoxTable(
        wide=wide,
        narrow=narrow,
        plotted=len(plotted),
        rows=rows_listed,
        total=_sum(rows),
        classes=len(rows),
        left_out=len(rest),
        summary=summary,
        images=(sum(c.real for c in counts), sum(c.synthetic for c in counts)),
        contents=len(counts),
        made=manifest.origin,
    )
    return Section("boxes", "Boxes by class", "report_box_counts.html", view)


def _sum(rows: list[BoxRow]) -> BoxCounts:
    return BoxCounts(**{part: sum(getattr(row.counts, part) for row in rows) for part in BoxCounts.model_fields})
