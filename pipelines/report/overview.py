"""Sections that need only the manifest: headline, class counts, rejections, timings, provenance, notes.

Boxes are counted in `box_counts`.
"""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from pipelines.modality import MODALITIES
from pipelines.report.box_counts import BoxSummary, box_rows, box_summary
from pipelines.report.data import ReportData, Section, by_size, split_ends
from pipelines.report.plots import counts_plot, timings_plot
from pipelines.report.wording import NOTHING, printable, seconds
from schemas.manifest import Manifest, Shard

PLOTTED_CLASSES, LISTED_CLASSES, REJECTED_CLASSES, LISTED_SHARDS, LISTED_REASONS = 30, 100, 30, 50, 10
REJECTED_KINDS = 10
"""Kinds of marked image, by the boxes in them, that the table of rejections lists; there are many small ones."""
Number = int | float


@dataclass(frozen=True)
class Headline:
    """The build in a few figures; in a sound build `short`, the number of classes below their target, is 0.

    `rows` is the number of rows in the shards, `counted` the sum over the classes; they agree in a sound build. `unit`
    is the word for rows, `made` the word for made rows. Where there are `boxes`, the ratios count boxes.
    """

    name: str
    label: str
    by: list[str]
    generator: str
    rows: int
    counted: int
    real: int
    synthetic: int
    classes: int
    short: int
    ratio_before: str
    ratio_after: str
    unit: str
    made: str
    boxes: BoxSummary | None


def headline(manifest: Manifest) -> Headline:
    """Return the headline of the report."""
    counts = manifest.counts.values()
    before, after = list(manifest.source_counts.values()), [c.real + c.synthetic for c in counts]
    if manifest.boxes:
        before, after = ([getattr(row.counts, part) for row in box_rows(manifest)] for part in ("before", "reached"))
    return Headline(
        name=manifest.name,
        label=manifest.label,
        by=manifest.by,
        generator=manifest.generator,
        rows=manifest.rows,
        counted=sum(c.real + c.synthetic for c in counts),
        real=sum(c.real for c in counts),
        synthetic=sum(c.synthetic for c in counts),
        classes=len(counts),
        short=sum(c.real + c.synthetic != c.target for c in counts),
        ratio_before=_ratio(before),
        ratio_after=_ratio(after),
        unit=MODALITIES[manifest.modality].unit,
        made=manifest.origin,
        boxes=box_summary(manifest),
    )


def _ratio(rows: list[int]) -> str:
    """Return the size of the largest class over that of the smallest, as text."""
    if not rows or min(rows) == 0:
        return NOTHING
    times = max(rows) / min(rows)
    return f"{times:,.0f} : 1" if times >= 10 or times == round(times) else f"{times:.2g} : 1"


@dataclass(frozen=True)
class ClassRow:
    """One line of the class table; `rate` is the share of candidates that passed, None without candidates."""

    name: str
    before: int
    real: int
    synthetic: int
    total: int
    target: int
    attempts: int
    rate: float | None


@dataclass(frozen=True)
class ClassCounts:
    """The class plot, in two widths, and the class table; `rest` sums up the classes that are not listed."""

    wide: Markup
    narrow: Markup
    plotted: int
    rows: list[ClassRow]
    rest: ClassRow | None
    total: ClassRow
    classes: int
    made: str


def class_rows(manifest: Manifest) -> list[ClassRow]:
    """Return one line per class, the largest of the source first."""
    return [_class_row(manifest, name, [name]) for name in by_size(manifest)]


def _class_row(manifest: Manifest, title: str, names: list[str]) -> ClassRow:
    counts = [manifest.counts[name] for name in names]
    synthetic = sum(c.synthetic for c in counts)
    attempts = sum(manifest.attempts.get(name, 0) for name in names)
    rejected = sum(sum(manifest.rejections.get(name, {}).values()) for name in names)
    return ClassRow(
        name=title,
        before=sum(manifest.source_counts.get(name, 0) for name in names),
        real=sum(c.real for c in counts),
        synthetic=synthetic,
        total=sum(c.real for c in counts) + synthetic,
        target=sum(c.target for c in counts),
        attempts=attempts,
        rate=1 - rejected / attempts if attempts else None,
    )


def class_section(data: ReportData) -> Section | None:
    """Return class counts before and after; None where boxes are counted instead."""
    manifest = data.manifest
    names = by_size(manifest)
    if not names or manifest.boxes:
        return None
    plotted, hidden = split_ends(names, PLOTTED_CLASSES)
    gap = len(plotted) // 2 if hidden else None
    listed, rest = split_ends(names, LISTED_CLASSES)
    bars = [_class_row(manifest, name, [name]) for name in plotted]
    real, synthetic, before = (
        np.array([getattr(bar, part) for bar in bars], dtype=np.float64) for part in ("real", "synthetic", "before")
    )
    wide, narrow = (counts_plot(plotted, real, synthetic, before, width, gap) for width in (760, 340))
    view = ClassCounts(
        wide=wide,
        narrow=narrow,
        plotted=len(plotted),
        rows=[_class_row(manifest, name, [name]) for name in listed],
        rest=_class_row(manifest, f"{len(rest):,} more classes", rest) if rest else None,
        total=_class_row(manifest, "All classes", names),
        classes=len(names),
        made=manifest.origin,
    )
    return Section("classes", "Class counts", "report_classes.html", view)


@dataclass(frozen=True)
class Rejected:
    """Rejected candidates of one class; `cells` are (rows, share of its candidates) in the order of the reasons."""

    name: str
    attempts: int
    cells: list[tuple[int, float]]


@dataclass(frozen=True)
class Rejections:
    """The table of reasons by class; `left_out` classes and `fewer` reasons are not shown.

    For marked images the classes are the contents of images, and `marked` is true.
    """

    reasons: list[str]
    rows: list[Rejected]
    attempts: int
    total: int
    left_out: int
    fewer: int
    marked: bool


def rejection_section(data: ReportData) -> Section | None:
    """Return the reasons of rejected candidates; None without candidates."""
    manifest = data.manifest
    attempts = sum(manifest.attempts.values())
    if not attempts:
        return None
    sums: dict[str, int] = {}
    for reasons in manifest.rejections.values():
        for reason, number in reasons.items():
            sums[reason] = sums.get(reason, 0) + number
    order = sorted((reason for reason in sums if sums[reason]), key=lambda reason: (-sums[reason], reason))
    hit = {name: sum(reasons.values()) for name, reasons in manifest.rejections.items()}
    names = sorted((name for name in hit if hit[name]), key=lambda name: (-hit[name], name))
    shown = order[:LISTED_REASONS]
    most = REJECTED_KINDS if manifest.boxes else REJECTED_CLASSES
    rows = [_rejected(manifest, name, shown) for name in names[:most]]
    view = Rejections(
        reasons=shown,
        rows=rows,
        attempts=attempts,
        total=sum(sums.values()),
        left_out=len(names) - len(rows),
        fewer=len(order) - len(shown),
        marked=bool(manifest.boxes),
    )
    return Section("rejections", "Rejected candidates", "report_rejections.html", view)


def _rejected(manifest: Manifest, name: str, reasons: list[str]) -> Rejected:
    attempts = manifest.attempts.get(name, 0)
    counts = [manifest.rejections[name].get(reason, 0) for reason in reasons]
    return Rejected(name, attempts, [(rows, rows / attempts if attempts else 0.0) for rows in counts])


@dataclass(frozen=True)
class Timings:
    """The plot of the steps, and its description."""

    plot: Markup
    steps: list[tuple[str, str]]
    total: str


def timing_section(data: ReportData) -> Section | None:
    """Return how long each step took."""
    if not data.timings:
        return None
    steps = [(step, seconds(time)) for step, time in data.timings.items()]
    described = "Seconds by step: " + ", ".join(f"{printable(step)} {time}" for step, time in steps)
    view = Timings(timings_plot(data.timings, described), steps, seconds(sum(data.timings.values())))
    return Section("timings", "Timings", "report_timings.html", view)


@dataclass(frozen=True)
class Provenance:
    """The manifest's facts, and the shards; `left_out` shards are not listed."""

    manifest: Manifest
    shards: list[Shard]
    left_out: int


def provenance_section(data: ReportData) -> Section:
    """Return the sources of the dataset and how to check it."""
    shards = data.manifest.shards
    view = Provenance(data.manifest, shards[:LISTED_SHARDS], max(0, len(shards) - LISTED_SHARDS))
    return Section("provenance", "Provenance", "report_provenance.html", view)


def note_section(data: ReportData) -> Section | None:
    """Return the notes of the build."""
    return Section("notes", "Notes", "report_notes.html", data.notes) if data.notes else None
