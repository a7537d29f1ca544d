"""Measures how strongly columns are associated, in real and in synthetic rows. Knows nothing of pages.

Number with number: Pearson's r (-1 to 1). Category with category: Cramér's V (0 to 1). Number with category: the
correlation ratio eta (0 to 1). Small samples inflate the last two, so both sides get the same number of rows of each
class.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.report.compare import Floats, Pair

MOST_COLUMNS = 25
MOST_LEVELS = 20


@dataclass(frozen=True)
class Associations:
    """Two square matrices over `names`, NaN where a value is not defined, from `rows` rows a side."""

    names: list[str]
    measures: list[list[str]]
    real: Floats
    synthetic: Floats
    rows: int
    left_out: list[str]


def associations(pairs: list[Pair], real: NDArray[Any], synthetic: NDArray[Any]) -> Associations:
    """Compare the columns of `pairs`; `real` and `synthetic` hold the strata of the rows, as str objects.

    Free text, columns with a single value, and columns past the first 25 are left out.
    """
    a, b = _even_rows(real, synthetic)
    usable = [p for p in pairs if p.kind != "length" and _varies(p.real[a]) and _varies(p.synthetic[b])]
    shown = usable[:MOST_COLUMNS]
    sides = [_matrix([(p.kind, _group_rare(p, side)) for p in shown]) for side in ((a, True), (b, False))]
    names = [p.name for p in shown]
    left_out = [p.name for p in pairs if p.name not in names]
    measures = [[_measure(p, q) for q in shown] for p in shown]
    return Associations(names, measures, sides[0], sides[1], len(a), left_out)


def _even_rows(real: NDArray[Any], synthetic: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows of both sides, drawn at random: of each stratum as many as the smaller side has."""
    rng = np.random.default_rng(0)
    a, b = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for name in sorted(set(real) & set(synthetic)):
        here, there = np.flatnonzero(real == name), np.flatnonzero(synthetic == name)
        rows = min(len(here), len(there))
        a.append(rng.permutation(here)[:rows])
        b.append(rng.permutation(there)[:rows])
    return np.concatenate(a), np.concatenate(b)


def _varies(values: Floats) -> bool:
    return len(values) > 1 and len(np.unique(values[~np.isnan(values)])) + int(np.isnan(values).any()) > 1


def _group_rare(pair: Pair, side: tuple[NDArray[np.int64], bool]) -> Floats:
    """Return the rows of one side; rare categories (by both sides together) become one, null another."""
    rows, is_real = side
    values = (pair.real if is_real else pair.synthetic)[rows]
    if pair.kind != "category":
        return values
    both = np.concatenate([pair.real, pair.synthetic])
    sizes = np.bincount(both[~np.isnan(both)].astype(np.int64), minlength=len(pair.levels))
    codes = np.full(len(pair.levels) + 1, MOST_LEVELS)
    codes[np.argsort(-sizes, kind="stable")[:MOST_LEVELS]] = np.arange(min(MOST_LEVELS, len(sizes)))
    codes[-1] = MOST_LEVELS + 1
    return codes[np.where(np.isnan(values), -1, values).astype(np.int64)].astype(np.float64)


def _measure(a: Pair, b: Pair) -> str:
    categories = (a.kind == "category") + (b.kind == "category")
    return ("Pearson's r", "correlation ratio", "Cramér's V")[categories]


def _matrix(columns: list[tuple[str, Floats]]) -> Floats:
    import pandas as pd

    width = len(columns)
    matrix = np.full((width, width), np.nan)
    numbers = [i for i, (kind, _) in enumerate(columns) if kind != "category"]
    if numbers:
        frame = pd.DataFrame({i: columns[i][1] for i in numbers})
        matrix[np.ix_(numbers, numbers)] = frame.corr(min_periods=3).to_numpy()
    for i, (kind, values) in enumerate(columns):
        for j in range(i):
            if kind == "category" or columns[j][0] == "category":
                matrix[i, j] = matrix[j, i] = _associate(kind, values, *columns[j])
    np.fill_diagonal(matrix, 1.0)
    return matrix


def _associate(kind: str, values: Floats, other_kind: str, other: Floats) -> float:
    if kind == other_kind:
        return cramers_v(values, other)
    return correlation_ratio(values, other) if kind == "category" else correlation_ratio(other, values)


def cramers_v(a: Floats, b: Floats) -> float:
    """Return Cramér's V of two arrays of codes; NaN where one of them has a single value."""
    from scipy.stats.contingency import association

    width = int(b.max()) + 1
    table = np.bincount((a * width + b).astype(np.int64), minlength=(int(a.max()) + 1) * width).reshape(-1, width)
    table = table[table.any(axis=1)][:, table.any(axis=0)]
    return float(association(table, method="cramer")) if min(table.shape) > 1 else float("nan")


def correlation_ratio(codes: Floats, values: Floats) -> float:
    """Return eta: the root of the share of the variance of `values` that lies between the groups of `codes`."""
    there = ~np.isnan(values)
    codes, values = codes[there].astype(np.int64), values[there]
    if not len(values) or values.min() == values.max():
        return float("nan")
    sizes = np.bincount(codes)
    means = np.bincount(codes, weights=values - values.mean()) / np.maximum(sizes, 1)
    return float(np.sqrt(min(1.0, (sizes * means**2).sum() / ((values - values.mean()) ** 2).sum())))
