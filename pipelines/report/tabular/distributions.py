"""Sections that compare real and synthetic rows of a table: distributions by column, associations of columns."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from pipelines.report.compare import (
    Floats,
    Mix,
    Pair,
    bins,
    drop_missing,
    gap,
    halves,
    missing_share,
    mix,
    moments,
    pairs,
    shares,
    spread_weights,
    strata_of,
    wasserstein,
)
from pipelines.report.data import ReportData, Section
from pipelines.report.plots import bars_plot, histogram_plot, matrix_plot
from pipelines.report.tabular.association import MOST_COLUMNS, Associations, associations
from pipelines.report.wording import NOTHING, figure, label

PLOTTED_COLUMNS, COMPARED_CLASSES, TOP_LEVELS, CLOSEST_PAIRS = 36, 12, 7, 8
TOO_FEW = 5


@dataclass(frozen=True)
class Summary:
    """One column in figures.

    `distance` is between real and synthetic rows of the same class mix; `chance` between two random halves of those
    real rows; `shift` between the whole source and the whole published dataset. `typical` is the mean and standard
    deviation, the median day, or the most frequent category, (real, synthetic).
    """

    name: str
    type: str
    kind: str
    distance: float | None
    chance: float | None
    shift: float | None
    movement: float | None
    missing: tuple[float, float]
    typical: tuple[str, str]


@dataclass(frozen=True)
class Plotted:
    """A column's plot, and what the plot leaves out."""

    summary: Summary
    plot: Markup
    remark: str


@dataclass(frozen=True)
class ByClass:
    """Distances for each class (rows: columns of the data; cells in the order of `classes`)."""

    classes: list[str]
    rows: list[tuple[str, list[float | None]]]
    left_out: int


@dataclass(frozen=True)
class Distributions:
    """The view of the distributions section; `strata` are the compared classes.

    `fixed` are the columns that define the classes; `skipped` those of a type that is not compared.
    """

    strata: list[str]
    real_rows: int
    synthetic_rows: int
    summaries: list[Summary]
    plots: list[Plotted]
    by_class: ByClass | None
    fixed: list[str]
    skipped: list[str]
    made: int


def distribution_section(data: ReportData) -> Section | None:
    """Return each column's distribution in real and synthetic rows of the same class mix."""
    made = sum(counts.synthetic > 0 for counts in data.manifest.counts.values())
    if not made:
        return None
    weights = mix(data)
    columns, skipped = pairs(data) if weights.strata else ([], [])
    fixed = [pair.name for pair in columns if pair.name in data.manifest.by]
    found = [(pair, _summarise(pair, weights)) for pair in columns if pair.name not in fixed]
    found.sort(key=lambda one: -(one[1].distance or 0.0))
    plots = [_plot_column(pair, summary, weights) for pair, summary in found[:PLOTTED_COLUMNS]]
    view = Distributions(
        strata=weights.strata,
        real_rows=int((weights.real > 0).sum()),
        synthetic_rows=int((weights.synthetic > 0).sum()),
        summaries=[summary for _, summary in found],
        plots=plots,
        by_class=_by_class(data, [pair for pair, _ in found[:PLOTTED_COLUMNS]], weights),
        fixed=fixed,
        skipped=skipped,
        made=made,
    )
    return Section("columns", "Columns, real against synthetic", "report_columns.html", view)


def _summarise(pair: Pair, weights: Mix) -> Summary:
    real, synthetic = weights.real, weights.synthetic
    left, right = halves(real)
    everything = np.concatenate([pair.real, pair.synthetic])
    return Summary(
        name=pair.name,
        type=pair.type,
        kind=pair.kind,
        distance=gap(pair.kind, pair.real, real, pair.synthetic, synthetic),
        chance=gap(pair.kind, pair.real, left, pair.real, right),
        shift=gap(pair.kind, pair.real, weights.before, everything, weights.after),
        movement=None if pair.kind == "category" else wasserstein(pair.real, real, pair.synthetic, synthetic),
        missing=(missing_share(pair.real, real), missing_share(pair.synthetic, synthetic)),
        typical=(_typical_value(pair, pair.real, real), _typical_value(pair, pair.synthetic, synthetic)),
    )


def _typical_value(pair: Pair, values: Floats, weights: Floats) -> str:
    there, weights = drop_missing(values, weights)
    if not len(there):
        return NOTHING
    if pair.kind == "category":
        parts = shares(there, weights)[1:]
        return f"{label(pair.levels[int(parts.argmax())], 18)} {parts.max():.0%}"
    if pair.kind == "time":
        order = np.argsort(there, kind="stable")
        middle = there[order][min(int(np.searchsorted(np.cumsum(weights[order]), 0.5)), len(there) - 1)]
        return str(np.datetime64(int(np.floor(middle)), "D"))
    mean, deviation = moments(there, weights)
    return f"{figure(mean)} ± {figure(deviation)}"


def _plot_column(pair: Pair, summary: Summary, weights: Mix) -> Plotted:
    if pair.kind == "category":
        return Plotted(summary, *_plot_bars(pair, weights))
    return Plotted(summary, *_plot_histogram(pair, weights))


def _plot_bars(pair: Pair, weights: Mix) -> tuple[Markup, str]:
    """Draw the most frequent categories; all others together, and null, have their own bars."""
    width = len(pair.levels) + 1
    real, synthetic = (
        np.pad(part, (0, width - len(part)))
        for part in (shares(pair.real, weights.real), shares(pair.synthetic, weights.synthetic))
    )
    order = np.argsort(-(real + synthetic)[1:], kind="stable") + 1
    shown, others = (order[:TOP_LEVELS], order[TOP_LEVELS:]) if len(order) > TOP_LEVELS + 1 else (order, order[:0])
    names = [pair.levels[i - 1] for i in shown]
    sides = [[float(part[i]) for i in shown] for part in (real, synthetic)]
    extra = [("null", [0])] if real[0] + synthetic[0] > 0 else []
    for name, levels_by_share in ([(f"{len(others):,} others", list(others))] if len(others) else []) + extra:
        names.append(name)
        for side, part in zip(sides, (real, synthetic), strict=True):
            side.append(float(part[levels_by_share].sum()))
    if not names:
        return Markup(""), "no value on either side"
    return bars_plot(names, np.array(sides[0]), np.array(sides[1]), pair.name), ""


def _plot_histogram(pair: Pair, weights: Mix) -> tuple[Markup, str]:
    """Draw both sides in the same bins; far tails are counted in the outermost bins."""
    real, synthetic = drop_missing(pair.real, weights.real), drop_missing(pair.synthetic, weights.synthetic)
    values = np.concatenate([real[0], synthetic[0]])
    if not len(values):
        return Markup(""), "no value on either side"
    edges, remark = bins(values, np.concatenate([real[1], synthetic[1]]))
    sides = [
        np.histogram(np.clip(v, edges[0], edges[-1]), bins=edges, weights=w)[0].astype(np.float64)
        for v, w in (real, synthetic)
    ]
    return histogram_plot(edges, sides[0], sides[1], pair.name, pair.kind == "time"), remark


def _by_class(data: ReportData, columns: list[Pair], weights: Mix) -> ByClass | None:
    """Return the distances class by class, for the classes with the most synthetic rows; None for a single class."""
    if len(weights.strata) < 2:
        return None
    counts = data.manifest.counts
    names = sorted(weights.strata, key=lambda name: (-counts[name].synthetic, name))[:COMPARED_CLASSES]
    sides = strata_of(data.real), strata_of(data.synthetic)
    masks = [[spread_weights(side, {name: 1.0}) for side in sides] for name in names]
    rows = [(pair.name, [_class_distance(pair, *mask) for mask in masks]) for pair in columns]
    return ByClass(names, rows, len(weights.strata) - len(names))


def _class_distance(pair: Pair, real: Floats, synthetic: Floats) -> float | None:
    if min((real > 0).sum(), (synthetic > 0).sum()) < TOO_FEW:
        return None
    here, there = real > 0, synthetic > 0
    return gap(pair.kind, pair.real[here], real[here], pair.synthetic[there], synthetic[there])


@dataclass(frozen=True)
class Change:
    """The association of two columns, on both sides."""

    names: tuple[str, str]
    measure: str
    real: float
    synthetic: float


@dataclass(frozen=True)
class AssociationView:
    """The three matrices as plots, the pairs that differ most, and the mean absolute difference."""

    found: Associations
    plots: list[tuple[str, Markup]]
    changes: list[Change]
    mean: float | None
    most: int


def association_section(data: ReportData) -> Section | None:
    """Return the associations of columns in real and synthetic rows of the same class mix."""
    weights = mix(data)
    if not weights.strata:
        return None
    sides = strata_of(data.real), strata_of(data.synthetic)
    made = set(weights.strata)
    real, synthetic = (np.array([name if name in made else "" for name in side], dtype=object) for side in sides)
    constant = data.manifest.by if len(made) == 1 else []
    columns = [pair for pair in pairs(data)[0] if pair.name not in constant]
    kept = [np.flatnonzero([name in made for name in side]) for side in sides]
    found = associations([_select_rows(p, *kept) for p in columns], real[kept[0]], synthetic[kept[1]])
    if len(found.names) < 2:
        return None
    titles = (
        ("Real", found.real),
        ("Synthetic", found.synthetic),
        ("Synthetic \N{MINUS SIGN} real", found.synthetic - found.real),
    )
    plots = [(t, matrix_plot(found.names, m, f"{t}: associations of {len(found.names)} columns")) for t, m in titles]
    changes = _sort_changes(found)
    mean = float(np.mean([abs(c.synthetic - c.real) for c in changes])) if changes else None
    view = AssociationView(found, plots, changes[:CLOSEST_PAIRS], mean, MOST_COLUMNS)
    return Section("associations", "How columns go together", "report_associations.html", view)


def _select_rows(pair: Pair, real: NDArray[np.intp], synthetic: NDArray[np.intp]) -> Pair:
    return Pair(pair.name, pair.type, pair.kind, pair.real[real], pair.synthetic[synthetic], pair.levels)


def _sort_changes(associations_found: Associations) -> list[Change]:
    """Return all pairs of columns, those that differ most first."""
    changes = [
        Change(
            (a, b),
            associations_found.measures[i][j],
            float(associations_found.real[i, j]),
            float(associations_found.synthetic[i, j]),
        )
        for i, a in enumerate(associations_found.names)
        for j, b in enumerate(associations_found.names[:i])
        if np.isfinite(associations_found.real[i, j]) and np.isfinite(associations_found.synthetic[i, j])
    ]
    return sorted(changes, key=lambda change: (-abs(change.synthetic - change.real), change.names))
