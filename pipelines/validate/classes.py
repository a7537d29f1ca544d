"""Class values as numbers, for validators that learn to tell classes apart. Knows no model."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.validate.base import Verdict


class Classes:
    """Numbers classes in the order of first sight while the rows stream by."""

    def __init__(self, kind: pa.DataType) -> None:
        self._values = pa.array([], kind)

    def number(self, labels: pa.ChunkedArray) -> NDArray[np.int64]:
        """Return the number of each label (none null); new ones get the next numbers."""
        distinct = labels.unique()
        fresh = distinct.filter(pc.invert(pc.is_in(distinct, value_set=self._values)))
        self._values = pa.concat_arrays([self._values, fresh])
        return class_codes(labels, self._values)

    def ordered(self) -> pa.Array:
        """Return the classes in the order of their values, which does not depend on the stream's."""
        return self._values.take(pc.sort_indices(self._values))


def class_codes(labels: pa.ChunkedArray, classes: pa.Array) -> NDArray[np.int64]:
    """Return each label's place among the classes, -1 where it has none."""
    places = pc.fill_null(pc.index_in(labels, value_set=classes), -1)
    if pa.types.is_boolean(labels.type) or labels.null_count:
        places = pc.if_else(pc.is_valid(labels), places, -1)
    codes: NDArray[np.int64] = places.to_numpy().astype(np.int64)
    return codes


def agreement(codes: NDArray[np.int64], chances: NDArray[np.float64], least: float) -> Verdict:
    """Return the verdict on rows of those classes (-1: none of the real rows') and those probabilities of them."""
    unknown = codes < 0
    unlikely = ~unknown & (chances < least)
    details = {"not a class of the real rows": int(unknown.sum()), "unlikely class": int(unlikely.sum())}
    return Verdict(~(unknown | unlikely), {detail: count for detail, count in details.items() if count})
