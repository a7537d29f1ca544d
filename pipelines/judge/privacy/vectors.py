"""Turns rows into points: the closer two points, the more similar the rows. A modality defines how.

No point has more than 256 coordinates. Where there would be more, a sparse random projection (Johnson and Lindenstrauss
1984; Li, Hastie and Church 2006) keeps distances within some ten per cent, and those of equal rows at 0.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.modality import load_part, modality_of
from schemas.plan import Plan

Points = NDArray[np.float32]
Floats = NDArray[np.float64]
Encode = Callable[[pa.Table], Points]

MOST = 256
"""The most coordinates of a point."""


def learn_points(real: pa.Table, plan: Plan, seed: int) -> Encode:
    """Return a function that makes points of rows, learnt from real ones; shape (rows, coordinates)."""
    encode: Encode = load_part(modality_of(plan).points)(real, plan, seed)
    return encode


def project(sparse: Callable[[pa.Table], Any], real: pa.Table, seed: int) -> Encode:
    """Return a function that makes dense points of sparse ones, projected where they have too many coordinates."""
    from sklearn.random_projection import SparseRandomProjection

    width = sparse(real.slice(0, 1)).shape[1]
    if width <= MOST:
        return lambda table: np.asarray(sparse(table).toarray(), np.float32)
    projection = SparseRandomProjection(MOST, dense_output=True, random_state=seed % 2**32)
    projection.fit(sparse(real.slice(0, 1)))
    return lambda table: np.asarray(projection.transform(sparse(table)), np.float32)
