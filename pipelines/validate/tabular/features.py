"""Turns the columns of a table into numbers for a classifier, and chooses them. Knows nothing of classes or models."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

MOST_CATEGORIES = 254
"""scikit-learn's histogram trees take 255 values a column, one of which may stand for a missing one."""


@dataclass(frozen=True)
class Feature:
    """One column; `categories` are its values in the order of their codes, or None for a number, date or time."""

    name: str
    categories: list[str] | None


def learn_features(table: pa.Table, names: Iterable[str]) -> list[Feature]:
    """Choose the columns of real rows by which a classifier can tell classes apart.

    Columns with a single value are left out (missing counts as a value), as are texts most of whose values occur once:
    names and free text. Of more than 254 distinct texts the most frequent are kept; all others count as missing.

    >>> table = pa.table({"x": [1, 2, 3], "name": ["Ann", "Bob", "Cid"], "one": [7, 7, 7]})
    >>> learn_features(table, ["x", "name", "one"])
    [Feature(name='x', categories=None)]
    """
    features = []
    for name in names:
        column = table.column(name)
        if not pa.types.is_string(column.type):
            if pc.count_distinct(column, mode="all").as_py() > 1:
                features.append(Feature(name, None))
            continue
        counts = sorted((-pair["counts"], pair["values"]) for pair in column.drop_null().value_counts().to_pylist())
        once = sum(count == -1 for count, _ in counts)
        if len(counts) + bool(column.null_count) > 1 and 2 * once <= len(column):
            features.append(Feature(name, [value for _, value in counts[:MOST_CATEGORIES]]))
    return features


def encode(table: pa.Table, features: list[Feature]) -> NDArray[np.float64]:
    """Return a matrix of shape (rows, features): numbers as they are, codes of texts, NaN for missing values."""
    matrix = np.empty((table.num_rows, len(features)))
    for position, feature in enumerate(features):
        column = table.column(feature.name)
        if feature.categories is not None:
            column = pc.index_in(column, value_set=pa.array(feature.categories, pa.string()))
        matrix[:, position] = to_floats(column)
    matrix[np.isinf(matrix)] = np.nan  # the trees take no infinity
    return matrix


def to_floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return a column as float64, NaN for null: dates in days, times in their own unit, booleans as 0 and 1."""
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    elif pa.types.is_temporal(column.type):
        column = column.cast(pa.int32() if pa.types.is_date32(column.type) else pa.int64())
    numbers: NDArray[np.float64] = pc.fill_null(column.cast(pa.float64(), safe=False), np.nan).to_numpy()
    return numbers
