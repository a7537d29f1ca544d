"""A fair sample of streamed rows by class: small classes whole, large ones thinned, the same whatever the batches."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.source.fingerprint import mix


def stratified_sample(parts: Iterable[tuple[pa.Table, NDArray[np.uint64], NDArray[np.int64]]], rows: int) -> pa.Table:
    """Return at most `rows` rows; each part is a table with its rows' fingerprints and class numbers (0 and up).

    Every class gives all its rows up to one common quota, the largest that fits; beyond it those whose scrambled
    fingerprints are smallest (bottom-k sampling, Cohen and Kaplan 2007). Rows come in the order of these, so that the
    result depends neither on the order of the source nor on how it was cut. At most about twice `rows` are held.
    """
    held: list[tuple[pa.Table, NDArray[np.uint64], NDArray[np.int64]]] = []
    for table, fingerprints, classes in parts:
        held.append((table, mix(fingerprints.copy()), classes))
        if sum(len(part[1]) for part in held) > 2 * rows + len(fingerprints):
            held = [_thin(held, rows)]
    if not held:
        raise ValueError("stratified_sample: no rows were given")
    return _thin(held, rows)[0]


def _thin(
    held: list[tuple[pa.Table, NDArray[np.uint64], NDArray[np.int64]]], rows: int
) -> tuple[pa.Table, NDArray[np.uint64], NDArray[np.int64]]:
    """Keep each class's rows of lowest rank up to the quota; sorted by rank.

    Quotas only fall as rows are added, so what is dropped early would have been dropped in the end.
    """
    table = pa.concat_tables([part[0] for part in held])
    ranks = np.concatenate([part[1] for part in held])
    classes = np.concatenate([part[2] for part in held])
    order = np.lexsort((ranks, classes))
    sizes = np.bincount(classes)
    place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    order = order[place < quota(sizes, rows)]
    order = order[np.lexsort((classes[order], ranks[order]))]
    return table.take(order).combine_chunks(), ranks[order], classes[order]


def quota(sizes: NDArray[np.int64], rows: int) -> int:
    """Return the largest number q, at least 1, for which the classes, cut to q each, hold `rows` rows at most."""
    left = rows
    ordered = np.sort(sizes[sizes > 0])
    for index, size in enumerate(ordered):
        share = left // (len(ordered) - index)
        if size > share:
            return max(1, int(share))
        left -= int(size)
    return int(ordered[-1]) if len(ordered) else 1
