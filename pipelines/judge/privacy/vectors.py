"""Rows as points: the closer two of them are, the more alike the rows. Knows tables, texts and images.

No point has more than 256 coordinates; where there would be more, a sparse random projection (Johnson and Lindenstrauss
1984; Li, Hastie and Church 2006) keeps distances within some ten per cent, and those of equal rows at 0.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.plan.features import modelled
from pipelines.source.fingerprint import row_hashes
from schemas.plan import Plan

Points = NDArray[np.float32]
Floats = NDArray[np.float64]
Encode = Callable[[pa.Table], Points]

MOST = 256
"""Coordinates of a point, at most."""
_SIDE = 16  # pixels; of images that are compared
_AT_ONCE = 64  # images that are decoded at a time
_UNKNOWN = 16  # categories that no real row has are told apart by so many
_NGRAMS = (2, 4)  # characters of a text that are looked at together


def learn_points(real: pa.Table, plan: Plan, seed: int) -> Encode:
    """Return what makes points of rows, learnt from real ones; shape (rows, coordinates)."""
    if plan.profile.image:
        return _image_points(plan.profile.image)
    if plan.profile.text:
        return _text_points(real, plan.profile.text, seed)
    return _table_points(real, [column.name for column in modelled(plan.profile)], seed)


def _image_points(name: str) -> Encode:
    """Look at images as small grey ones, which hides noise, and what was changed at their edges, but not a crop."""
    from pipelines.validate.image.pixels import scaled, sound_pixels

    def encode(table: pa.Table) -> Points:
        parts = [
            scaled(sound_pixels(table[name].slice(start, _AT_ONCE)), _SIDE, grey=True)
            for start in range(0, table.num_rows, _AT_ONCE)
        ]
        grey = np.concatenate([np.zeros((0, _SIDE, _SIDE, 1), np.uint8), *parts])
        return (grey.reshape(len(grey), _SIDE * _SIDE) / np.float32(255)).astype(np.float32)

    return encode


def _text_points(real: pa.Table, name: str, seed: int) -> Encode:
    """Look at texts as TF-IDF of short runs of characters, each of length 1."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    from pipelines.validate.text.words import as_texts

    counted = HashingVectorizer(analyzer="char_wb", ngram_range=_NGRAMS, n_features=1 << 18, alternate_sign=False)
    weighted = TfidfTransformer().fit(counted.transform(as_texts(real[name])))

    def sparse(table: pa.Table) -> Any:
        return weighted.transform(counted.transform(as_texts(table[name])))

    return _projected(sparse, real, seed)


def _table_points(real: pa.Table, names: list[str], seed: int) -> Encode:
    """Look at tables as Gower (1971) does, with squares: numbers by rank, from 0 to 1; other values differ by 1."""
    from scipy.sparse import hstack

    columns = [(name, _learn_column(real[name])) for name in names]

    def sparse(table: pa.Table) -> Any:
        return hstack([encode(table[name]) for name, encode in columns], format="csr", dtype=np.float32)

    return _projected(sparse, real, seed)


def _projected(sparse: Callable[[pa.Table], Any], real: pa.Table, seed: int) -> Encode:
    """Return dense points of sparse ones, projected where they have too many coordinates."""
    from sklearn.random_projection import SparseRandomProjection

    width = sparse(real.slice(0, 1)).shape[1]
    if width <= MOST:
        return lambda table: np.asarray(sparse(table).toarray(), np.float32)
    projection = SparseRandomProjection(MOST, dense_output=True, random_state=seed % 2**32)
    projection.fit(sparse(real.slice(0, 1)))
    return lambda table: np.asarray(projection.transform(sparse(table)), np.float32)


def _learn_column(real: pa.ChunkedArray) -> Callable[[pa.ChunkedArray], Any]:
    if pa.types.is_string(real.type) or pa.types.is_boolean(real.type):
        return _learn_categories(real)
    return _learn_ranks(real)


def _learn_categories(real: pa.ChunkedArray) -> Callable[[pa.ChunkedArray], Any]:
    """Give each value, and null, a coordinate of its own."""
    from scipy.sparse import csr_array

    known = pa.array(sorted(real.cast(pa.string()).drop_null().unique().to_pylist()), pa.string())
    width = len(known) + 1 + _UNKNOWN

    def encode(column: pa.ChunkedArray) -> Any:
        column = column.cast(pa.string())
        place = pc.index_in(column, value_set=known).to_numpy().astype(np.float64)
        unknown = len(known) + 1 + (row_hashes(pa.table([column], ["value"])) % np.uint64(_UNKNOWN)).astype(np.int64)
        place = np.where(np.isnan(place), unknown, np.nan_to_num(place)).astype(np.int64)
        place[np.asarray(pc.is_null(column))] = len(known)
        height = np.full(len(place), np.sqrt(0.5), np.float32)
        return csr_array((height, (np.arange(len(place)), place)), shape=(len(place), width))

    return encode


def _learn_ranks(real: pa.ChunkedArray) -> Callable[[pa.ChunkedArray], Any]:
    """Give a number its rank among the real ones, as far beyond 0 and 1 as it is beyond them, and null a coordinate."""
    from scipy.sparse import csr_array

    values = np.sort(numbers(real)[0])
    distinct, first, counts = np.unique(values, return_index=True, return_counts=True)
    ranks = (first + (counts - 1) / 2) / max(1, len(values) - 1)
    spread = float(distinct[-1] - distinct[0]) if len(distinct) > 1 else 1.0

    def encode(column: pa.ChunkedArray) -> Any:
        found, missing = numbers(column, fill=0.0)
        rank = np.interp(found, distinct, ranks) if len(distinct) else np.zeros(len(found))
        if len(distinct):
            beyond = np.maximum(0, found - distinct[-1]) - np.maximum(0, distinct[0] - found)
            rank = rank + np.clip(beyond / spread, -1, 1)
        return csr_array(np.column_stack([np.where(missing, 0.5, rank), missing]).astype(np.float32))

    return encode


def numbers(column: pa.ChunkedArray, fill: float | None = None) -> tuple[Floats, NDArray[np.bool_]]:
    """Return a column's finite numbers (dates and times as such), and which rows have none; `fill` stands for those."""
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.int32() if pa.types.is_date32(column.type) else pa.int64())
    found = pc.fill_null(column.cast(pa.float64(), safe=False), np.nan).to_numpy().astype(np.float64)
    missing = ~np.isfinite(found)
    if fill is None:
        return found[~missing], missing
    return np.where(missing, fill, found), missing
