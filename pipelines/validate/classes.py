"""Classes as numbers, for validators that learn to tell them apart. Knows no model."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.validate.base import Verdict


class Classes:
    """Numbers classes in the order in which they first come, while the rows stream by.

    >>> classes = Classes(pa.string())
    >>> classes.number(pa.chunked_array([["dog", "cat", "dog"]]))
    array([0, 1, 0])
    >>> classes.ordered().to_pylist()
    ['cat', 'dog']
    """

    def __init__(self, kind: pa.DataType) -> None:
        self._values = pa.array([], kind)

    def number(self, labels: pa.ChunkedArray) -> NDArray[np.int64]:
        """Return the number of each label (none null); new classes get the next numbers."""
        distinct = labels.unique()
        fresh = distinct.filter(pc.invert(pc.is_in(distinct, value_set=self._values)))
        self._values = pa.concat_arrays([self._values, fresh])
        return class_codes(labels, self._values)

    def ordered(self) -> pa.Array:
        """Return the classes sorted by value, independent of the order of the stream."""
        return self._values.take(pc.sort_indices(self._values))


def class_codes(labels: pa.ChunkedArray, classes: pa.Array) -> NDArray[np.int64]:
    """Return the index of each label in `classes`, or -1 where it is not among them.

    >>> class_codes(pa.chunked_array([["cat", "cow"]]), pa.array(["cat", "dog"]))
    array([ 0, -1])
    """
    indices = pc.fill_null(pc.index_in(labels, value_set=classes), -1)
    if pa.types.is_boolean(labels.type) or labels.null_count:
        indices = pc.if_else(pc.is_valid(labels), indices, -1)
    codes: NDArray[np.int64] = indices.to_numpy().astype(np.int64)
    return codes


def agreement_verdict(codes: NDArray[np.int64], chances: NDArray[np.float64], least: float) -> Verdict:
    """Return the verdict on rows, given their classes (-1 for unknown ones) and the probabilities of these.

    >>> agreement_verdict(np.array([0, -1, 1]), np.array([0.9, 0.5, 0.1]), least=0.2).details
    {'not a class of the real rows': 1, 'unlikely class': 1}
    """
    unknown = codes < 0
    unlikely = ~unknown & (chances < least)
    details = {"not a class of the real rows": int(unknown.sum()), "unlikely class": int(unlikely.sum())}
    return Verdict(~(unknown | unlikely), {detail: count for detail, count in details.items() if count})
