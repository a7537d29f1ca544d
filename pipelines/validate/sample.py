"""A stratified sample of streamed rows: small classes whole, large ones thinned, the same for any batches."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.source.fingerprint import mix


def stratified_sample(parts: Iterable[tuple[pa.Table, NDArray[np.uint64], NDArray[np.int64]]], rows: int) -> pa.Table:
    """Return at most `rows` rows; each part is a table with its rows' fingerprints and class numbers (0 and up).

    Every class gives all its rows up to a common quota, the largest that fits. Of a larger class, the rows with the
    smallest scrambled fingerprints are taken (bottom-k sampling, Cohen and Kaplan 2007). Rows are sorted by these, so
    that the result depends neither on the order of the source nor on how it was split. At most about twice `rows` are
    in memory.
    """
    parts_so_far: list[tuple[pa.Table, NDArray[np.uint64], NDArray[np.int64]]] = []
    for table, fingerprints, classes in parts:
        parts_so_far.append((table, mix(fingerprints.copy()), classes))
        if sum(len(part[1]) for part in parts_so_far) > 2 * rows + len(fingerprints):
            parts_so_far = [_thin(parts_so_far, rows)]
    if not parts_so_far:
        raise ValueError("stratified_sample: no rows were given")
    return _thin(parts_so_far, rows)[0]


def _thin(
    parts: list[tuple[pa.Table, NDArray[np.uint64], NDArray[np.int64]]], rows: int
) -> tuple[pa.Table, NDArray[np.uint64], NDArray[np.int64]]:
    """Keep each class's rows of lowest rank up to the quota; sorted by rank.

    Quotas only fall as rows are added, so a row that is dropped early would have been dropped in the end.
    """
    table = pa.concat_tables([part[0] for part in parts])
    ranks = np.concatenate([part[1] for part in parts])
    classes = np.concatenate([part[2] for part in parts])
    order = np.lexsort((ranks, classes))
    sizes = np.bincount(classes)
    rank_in_class = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    order = order[rank_in_class < quota(sizes, rows)]
    order = order[np.lexsort((classes[order], ranks[order]))]
    return table.take(order).combine_chunks(), ranks[order], classes[order]


def quota(sizes: NDArray[np.int64], rows: int) -> int:
    """Return the largest number q, at least 1, so that the classes, cut to q rows each, have at most `rows` rows.

    >>> quota(np.array([5, 100, 100]), 45)
    20
    """
    left = rows
    ordered = np.sort(sizes[sizes > 0])
    for index, size in enumerate(ordered):
        share = left // (len(ordered) - index)
        if size > share:
            return max(1, int(share))
        left -= int(size)
    return int(ordered[-1]) if len(ordered) else 1
