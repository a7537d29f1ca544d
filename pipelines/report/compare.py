"""Compares columns of real and of synthetic rows in numbers. Knows nothing of pages.

Balancing changes the class mix by design, so that real and synthetic rows as they are would differ in every column that
depends on the class. Rows are therefore weighted: both sides get the class mix of the synthetic rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.report.data import ReportData, source_columns
from schemas.arrow import STRATUM

Floats = NDArray[np.float64]
BINS = 30
Kind = Literal["number", "time", "category", "length"]
MICROSECONDS_A_DAY = 86_400e6
CALENDAR = (-719_162.0, 2_932_896.0)
"""Days from 1970 to the first day of year 1 and the last of year 9999; plots know no others."""
FEW_LEVELS = 50


@dataclass(frozen=True)
class Pair:
    """One column on both sides; NaN stands for null.

    `real` and `synthetic` hold numbers as they are, days since 1970 for dates and times, lengths in characters for free
    text, and indices into `levels` for categories.
    """

    name: str
    type: str
    kind: Kind
    real: Floats
    synthetic: Floats
    levels: list[str]


@dataclass(frozen=True)
class Mix:
    """The weight of each row; each side adds up to 1, or is all zeros where nothing can be compared.

    `real` and `synthetic` have the same class mix, over `strata`. `before` weighs the real rows as in the source;
    `after` weighs the real rows, then the synthetic ones, as in the published dataset.
    """

    strata: list[str]
    real: Floats
    synthetic: Floats
    before: Floats
    after: Floats


def strata_of(table: pa.Table) -> NDArray[Any]:
    """Return the stratum of each row, as an array of str objects."""
    names = table.column(STRATUM).cast(pa.string())
    return np.asarray(names.to_pylist(), dtype=object)


def mix(data: ReportData) -> Mix:
    """Return the weights with which real and synthetic rows compare fairly."""
    counts = data.manifest.counts
    real, synthetic = strata_of(data.real), strata_of(data.synthetic)
    both = sorted(set(real) & set(synthetic) & set(counts))
    made_counts = {name: float(counts[name].synthetic) for name in both if counts[name].synthetic}
    real_counts = spread_weights(real, {name: float(c.real) for name, c in counts.items()})
    added = spread_weights(synthetic, {name: float(c.synthetic) for name, c in counts.items()})
    before = spread_weights(real, {name: float(rows) for name, rows in data.manifest.source_counts.items()})
    after = np.concatenate([real_counts, added])
    return Mix(
        list(made_counts),
        *map(_normal, (spread_weights(real, made_counts), spread_weights(synthetic, made_counts), before, after)),
    )


def spread_weights(strata: NDArray[Any], mass: Mapping[str, float]) -> Floats:
    """Return the weight of each row, so that the rows of stratum k together weigh `mass[k]`, or nothing."""
    if not len(strata):
        return np.zeros(0)
    names, codes, sizes = np.unique(strata, return_inverse=True, return_counts=True)
    shares = np.array([mass.get(name, 0.0) / n for name, n in zip(names, sizes, strict=True)])
    return np.asarray(shares[codes], dtype=np.float64)


def _normal(weights: Floats) -> Floats:
    total = weights.sum()
    return weights / total if total > 0 else weights


def pairs(data: ReportData) -> tuple[list[Pair], list[str]]:
    """Return the columns that can be compared, and the names of those that cannot: ids, carried ones, nested values."""
    ids = {column.name for column in data.manifest.columns if column.role in ("id", "carried")}
    comparable, left_out = [], []
    for name in source_columns(data.real):
        known = name not in ids and name in data.synthetic.column_names
        synthetic = pair(name, data.real.column(name), data.synthetic.column(name)) if known else None
        comparable += [synthetic] if synthetic else []
        left_out += [] if synthetic else [name]
    return comparable, left_out


def pair(name: str, real: pa.ChunkedArray, synthetic: pa.ChunkedArray) -> Pair | None:
    """Return both sides of a column in comparable form, or None for a type that is not compared."""
    kind = real.type if not pa.types.is_null(real.type) else synthetic.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    sides = pa.chunked_array([*real.cast(kind).chunks, *synthetic.cast(kind).chunks], kind)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values, form, levels = _numbers(sides), "number", list[str]()
    elif pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        values, form, levels = _days(sides), "time", []
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind):
        values, form, levels = _levels(sides)
    elif pa.types.is_null(kind):
        values, form, levels = np.full(len(sides), np.nan), "category", []
    else:
        return None
    cut = len(real)
    return Pair(name, str(kind), form, values[:cut], values[cut:], levels)  # type: ignore[arg-type]


def _numbers(column: pa.ChunkedArray) -> Floats:
    values = column.cast(pa.float64(), safe=False).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def _days(column: pa.ChunkedArray) -> Floats:
    zone = getattr(column.type, "tz", None)
    ticks = column.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())
    return np.clip(_numbers(ticks) / MICROSECONDS_A_DAY, *CALENDAR)


def _levels(column: pa.ChunkedArray) -> tuple[Floats, str, list[str]]:
    """Return the codes of a text column, or the lengths of its values where most of them differ."""
    texts = column.cast(pa.string())
    encoded = texts.combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    levels = encoded.dictionary.to_pylist()
    if len(levels) > max(FEW_LEVELS, 0.5 * (len(texts) - texts.null_count)):
        return _numbers(pc.utf8_length(texts)), "length", []
    return _numbers(pa.chunked_array([encoded.indices])), "category", levels


def gap(kind: Kind, a: Floats, a_weights: Floats, b: Floats, b_weights: Floats) -> float | None:
    """Return the distance of two weighted samples, from 0 (equal) to 1 (nothing in common).

    For categories it is the total variation distance, null being a category; else the Kolmogorov-Smirnov distance of
    values that are not null. None where a side has nothing to compare.
    """
    if kind == "category":
        return total_variation(a, a_weights, b, b_weights)
    return kolmogorov_smirnov(*drop_missing(a, a_weights), *drop_missing(b, b_weights))


def drop_missing(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the values that are not null and have a weight, with their weights scaled to add up to 1."""
    is_present = ~np.isnan(values) & (weights > 0)
    return values[is_present], _normal(weights[is_present])


def total_variation(a: Floats, a_weights: Floats, b: Floats, b_weights: Floats) -> float | None:
    """Return half the summed difference of the levels' shares.

    >>> total_variation(np.array([0.0, 1.0]), np.full(2, 0.5), np.array([0.0, 0.0]), np.full(2, 0.5))
    0.5
    """
    if not a_weights.any() or not b_weights.any():
        return None
    p, q = shares(a, a_weights), shares(b, b_weights)
    width = max(len(p), len(q))
    return float(np.abs(np.pad(p, (0, width - len(p))) - np.pad(q, (0, width - len(q)))).sum() / 2)


def shares(codes: Floats, weights: Floats) -> Floats:
    """Return the share of the weight of each level; the first is that of nulls."""
    indices = np.where(np.isnan(codes), -1, codes).astype(np.int64) + 1
    return _normal(np.bincount(indices, weights=weights).astype(np.float64))


def kolmogorov_smirnov(a: Floats, a_weights: Floats, b: Floats, b_weights: Floats) -> float | None:
    """Return the largest difference of two weighted distribution functions (`scipy.stats.ks_2samp` has no weights)."""
    if not len(a) or not len(b):
        return None
    values = np.concatenate([a, b])
    order = np.argsort(values, kind="stable")
    climb = np.cumsum(np.concatenate([a_weights, -b_weights])[order])
    last_of_ties = np.append(values[order][1:] != values[order][:-1], True)
    return float(np.abs(climb[last_of_ties]).max())


def wasserstein(a: Floats, a_weights: Floats, b: Floats, b_weights: Floats) -> float | None:
    """Return the earth mover's distance in standard deviations of `a`; None for a constant or empty side."""
    from scipy.stats import wasserstein_distance

    (a, a_weights), (b, b_weights) = drop_missing(a, a_weights), drop_missing(b, b_weights)
    if not len(a) or not len(b):
        return None
    scale = moments(a, a_weights)[1]
    return float(wasserstein_distance(a, b, a_weights, b_weights)) / scale if scale > 0 else None


def moments(values: Floats, weights: Floats) -> tuple[float, float]:
    """Return the mean and standard deviation of a weighted sample without nulls."""
    mean = float(np.average(values, weights=weights))
    return mean, float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))


def missing_share(values: Floats, weights: Floats) -> float:
    """Return the share of nulls."""
    return float(weights[np.isnan(values)].sum())


def halves(weights: Floats, seed: int = 0) -> tuple[Floats, Floats]:
    """Split a sample at random into two halves, given as weights that are 0 for the other half's rows."""
    first = np.random.default_rng(seed).random(len(weights)) < 0.5
    return _normal(weights * first), _normal(weights * ~first)


def bins(values: Floats, weights: Floats) -> tuple[Floats, str]:
    """Return the edges of at most some 30 shared bins, that leave out far tails; whole numbers stay whole in them."""
    low, high = float(values.min()), float(values.max())
    order = np.argsort(values, kind="stable")
    climb = np.cumsum(weights[order]) / weights.sum()
    inner = [float(values[order][min(int(np.searchsorted(climb, q)), len(values) - 1)]) for q in (0.005, 0.995)]
    far = inner[1] > inner[0] and high - low > 2 * (inner[1] - inner[0])
    low, high = inner if far else (low, high)
    remark = "outermost bars hold the far tails" if far else ""
    if high - low < 1e9 and bool((values == np.round(values)).all()):
        width = np.ceil((high - low + 1) / BINS)
        return np.arange(low - 0.5, high + width, width), remark
    wide = high - low > 1e-9 * max(abs(low), abs(high))  # closer than that, edges would not differ
    return np.linspace(low, high, BINS + 1) if wide else low + np.array([-0.5, 0.5]) * max(1.0, abs(low)), remark
