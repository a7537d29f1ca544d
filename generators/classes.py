"""The rows of each class of a table, and the errors that name a class. Knows no model."""

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.errors import GeneratorError, nearest


def split_classes(table: pa.Table, label: str) -> dict[str, pa.Table]:
    """Return the rows of each class in the table's order; the classes are sorted by name.

    >>> table = pa.table({"x": [1, 2, 3], "label": ["b", "a", "b"]})
    >>> {name: rows["x"].to_pylist() for name, rows in split_classes(table, "label").items()}
    {'a': [2], 'b': [1, 3]}
    """
    labels = table[label].combine_chunks()
    names = sorted(pc.unique(labels).to_pylist())
    return {name: table.filter(pc.equal(labels, name)) for name in names}


def check_class_sizes(table: pa.Table, label: str, minimum: int, generator: str) -> None:
    """Raise GeneratorError if the table is empty or a class has fewer than `minimum` rows.

    >>> check_class_sizes(pa.table({"label": ["a", "a"]}), "label", 2, "smote")
    """
    if not table.num_rows:
        raise GeneratorError(f"{generator}: the table to learn from has no rows; give it at least {minimum} a class")
    for count in pc.value_counts(table[label]).to_pylist():
        name, rows = count["values"], count["counts"]
        if rows < minimum:
            raise GeneratorError(
                f"class {name!r}: {rows:,} real row{'s' * (rows != 1)}, and {generator} needs at least {minimum} in"
                " each class; add real rows, merge the class with another, or use the generator 'resample'"
            )


def check_class_known(stratum: str, known: Collection[str]) -> None:
    """Raise GeneratorError if the class `stratum` is not among the `known` ones, on whose rows the model was fitted.

    >>> check_class_known("cat", ["cat", "dog"])
    """
    if stratum not in known:
        raise GeneratorError(
            f"class {stratum!r}: the model was fitted on no row of it{nearest(stratum, known)}; ask for one of those"
        )


def rows_by_class(labels: pa.ChunkedArray | pa.Array) -> dict[str, NDArray[np.int64]]:
    """Return the row numbers of each class by its name; the classes are sorted by name.

    >>> {name: rows.tolist() for name, rows in rows_by_class(pa.array(["b", "a", "b"])).items()}
    {'a': [1], 'b': [0, 2]}
    """
    flat = labels.combine_chunks() if isinstance(labels, pa.ChunkedArray) else labels
    encoded = flat.dictionary_encode()
    codes = np.asarray(encoded.indices)
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(encoded.dictionary) + 1))
    names = encoded.dictionary.to_pylist()
    by_name = sorted(range(len(names)), key=names.__getitem__)
    return {names[code]: order[starts[code] : starts[code + 1]] for code in by_name}


def class_numbers(labels: pa.ChunkedArray, classes: list[str]) -> NDArray[np.int64]:
    """Return the number of each row's class: its index in `classes`.

    >>> class_numbers(pa.chunked_array([["b", "a", "b"]]), ["a", "b"])
    array([1, 0, 1])
    """
    numbers: NDArray[np.int64] = pc.index_in(labels, value_set=pa.array(classes)).to_numpy()
    return numbers.astype(np.int64)


def hold_out(
    classes: NDArray[np.int64], share: float, rng: np.random.Generator, fewest: int = 200
) -> NDArray[np.bool_]:
    """Return which rows are held out: `share` of each class with at least `fewest` rows, rounded down.

    >>> int(hold_out(np.zeros(1000, np.int64), 0.1, np.random.default_rng(0)).sum())
    100
    """
    held_out = np.zeros(len(classes), bool)
    for number in np.unique(classes):
        rows = np.flatnonzero(classes == number)
        if len(rows) >= fewest:
            held_out[rng.choice(rows, int(len(rows) * share), replace=False)] = True
    return held_out


def class_weights(classes: NDArray[np.int64], balance: float) -> NDArray[np.float64]:
    """Return the weight of each row when rows are drawn: all rows alike at a balance of 0, all classes alike at 1.

    >>> class_weights(np.array([0, 0, 0, 1]), balance=1).tolist()
    [0.3333333333333333, 0.3333333333333333, 0.3333333333333333, 1.0]
    """
    weights: NDArray[np.float64] = (np.bincount(classes).astype(np.float64) ** -balance)[classes]
    return weights


def rank_in_class(classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many rows of the same class come before each row.

    >>> rank_in_class(np.array([0, 1, 0, 0]))
    array([0, 0, 1, 2])
    """
    order = np.argsort(classes, kind="stable")
    sizes = np.bincount(classes)
    ranks = np.empty(len(classes), np.int64)
    ranks[order] = np.arange(len(classes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return ranks


def sample_rows(table: pa.Table, rows: int, rng: np.random.Generator) -> pa.Table:
    """Return at most `rows` rows drawn without replacement, in the table's order.

    >>> sample_rows(pa.table({"x": range(100)}), 3, np.random.default_rng(0)).num_rows
    3
    """
    if table.num_rows <= rows:
        return table
    return table.take(np.sort(rng.choice(table.num_rows, rows, replace=False)))
