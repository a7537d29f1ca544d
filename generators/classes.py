"""The classes of a table: their rows, and the errors that name them. Knows no model."""

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.errors import GeneratorError, nearest


def split_classes(table: pa.Table, label: str) -> dict[str, pa.Table]:
    """Return the rows of each class in the table's order, the classes sorted by name."""
    labels = table[label].combine_chunks()
    names = sorted(pc.unique(labels).to_pylist())
    return {name: table.filter(pc.equal(labels, name)) for name in names}


def check_class_sizes(table: pa.Table, label: str, minimum: int, generator: str) -> None:
    """Raise GeneratorError if the table is empty or a class has fewer than `minimum` rows."""
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
    """Raise GeneratorError if the model was not fitted on rows of the class `stratum`."""
    if stratum not in known:
        raise GeneratorError(
            f"class {stratum!r}: the model was fitted on no row of it{nearest(stratum, known)}; ask for one of those"
        )


def members_of(labels: pa.ChunkedArray | pa.Array) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each class by its name, the classes in the order of their names."""
    flat = labels.combine_chunks() if isinstance(labels, pa.ChunkedArray) else labels
    encoded = flat.dictionary_encode()
    codes = np.asarray(encoded.indices)
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(encoded.dictionary) + 1))
    names = encoded.dictionary.to_pylist()
    by_name = sorted(range(len(names)), key=names.__getitem__)
    return {names[code]: order[starts[code] : starts[code + 1]] for code in by_name}


def places_of(labels: pa.ChunkedArray, classes: list[str]) -> NDArray[np.int64]:
    """Return each row's class by its place among `classes`."""
    found: NDArray[np.int64] = pc.index_in(labels, value_set=pa.array(classes)).to_numpy()
    return found.astype(np.int64)


def hold_out(
    classes: NDArray[np.int64], share: float, rng: np.random.Generator, fewest: int = 200
) -> NDArray[np.bool_]:
    """Return which rows are held out: `share` of each class of `fewest` rows or more, rounded down."""
    held = np.zeros(len(classes), bool)
    for number in np.unique(classes):
        places = np.flatnonzero(classes == number)
        if len(places) >= fewest:
            held[rng.choice(places, int(len(places) * share), replace=False)] = True
    return held


def class_weights(classes: NDArray[np.int64], balance: float) -> NDArray[np.float64]:
    """Return how often each row is drawn: with a balance of 0 all rows alike, with 1 all classes (numbered from 0)."""
    weights: NDArray[np.float64] = (np.bincount(classes).astype(np.float64) ** -balance)[classes]
    return weights


def rank_in_class(classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many rows of the same class come before each row."""
    order = np.argsort(classes, kind="stable")
    sizes = np.bincount(classes)
    ranks = np.empty(len(classes), np.int64)
    ranks[order] = np.arange(len(classes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return ranks


def sample_rows(table: pa.Table, rows: int, rng: np.random.Generator) -> pa.Table:
    """Return at most `rows` rows drawn without replacement, in the table's order."""
    if table.num_rows <= rows:
        return table
    return table.take(np.sort(rng.choice(table.num_rows, rows, replace=False)))
