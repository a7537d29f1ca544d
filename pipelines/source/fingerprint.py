"""A 64-bit hash of each row of a table, the same in every process, on every machine and in every run.

The hash depends on the values alone: not on chunks, slices, dictionary encoding or the bytes beneath a null. The caller
chooses the columns.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_BLOCK = 16_384  # rows; a block's state and scratch stay in the processor's cache
_LARGE = 1 << 26  # bytes of a column that are hashed at once; a block of images may have gigabytes
_SHORT = 64  # bytes; longer texts are hashed one by one
_SEEDS = (0x243F6A8885A308D3, 0x13198A2E03707344)  # digits of pi, one for each lane
_NULL = np.uint64(0xA4093822299F31D0)
_NAN = np.uint64(0x7FF8000000000000)
_LENGTH = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_TAILS = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)  # keeps the first `size` bytes of a word


def row_hashes(table: pa.Table, *, lanes: int = 1) -> Words:
    """Return the hash of each row over all columns of `table`, in their order; column names do not matter.

    The result is uint64 of shape (rows,) for one lane and (rows, 2) for two, which are independent: together they make
    a 128-bit hash. Null differs from every value; all NaN are one value, and -0.0 is 0.0. To compare rows of two
    tables, their column types must agree, except for the width of integers, floats and string offsets, and dictionary
    encoding. Within lists, values are compared by their Python form.

    Each column is folded into the row's state by the finaliser of splitmix64 (Steele, Lea and Flood 2014, "Fast
    splittable pseudorandom number generators"), a bijection, so columns cannot cancel one another.
    """
    hashes = np.empty((lanes, table.num_rows), np.uint64)
    columns = [_plain(column) for column in table.columns]
    for lane in range(lanes):
        for start in range(0, table.num_rows, _BLOCK):
            state = hashes[lane, start : start + _BLOCK]
            state.fill(_SEEDS[lane])
            for column in columns:
                _absorb_chunks(state, column.slice(start, _BLOCK), _SEEDS[lane])
    return hashes[0] if lanes == 1 else np.ascontiguousarray(hashes.T)


def mix(state: Words, scratch: Words | None = None) -> Words:
    """Scramble 64-bit words in place with the finaliser of splitmix64, and return them."""
    scratch = np.empty_like(state) if scratch is None else scratch
    for shift, factor in zip((30, 27), _FACTORS, strict=True):
        np.right_shift(state, shift, out=scratch)
        np.bitwise_xor(state, scratch, out=state)
        np.multiply(state, factor, out=state)
    np.right_shift(state, 31, out=scratch)
    return np.bitwise_xor(state, scratch, out=state)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the column as one of few types: bool, int64, double, (large) string or binary, struct, list."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type))
    if pa.types.is_null(kind) or pa.types.is_integer(kind):
        return column.cast(pa.int64(), safe=False)
    if pa.types.is_floating(kind):
        return column.cast(pa.float64())
    if pa.types.is_date32(kind) or pa.types.is_time32(kind):
        return column.cast(pa.int32()).cast(pa.int64())
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        return column.cast(pa.int64())
    if pa.types.is_fixed_size_binary(kind) or pa.types.is_binary_view(kind):
        return column.cast(pa.large_binary())
    if pa.types.is_decimal(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.large_string())
    return column


def _contiguous(column: pa.ChunkedArray) -> pa.Array:
    """Return the column as one array, copied only if it has several chunks."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _absorb_chunks(state: Words, column: pa.ChunkedArray, seed: int) -> None:
    """Fold the values of a column into the rows' state, in place; large columns in parts."""
    start = 0
    for array in column.chunks if column.nbytes > _LARGE else [_contiguous(column)]:
        step = max(1, len(array) * _LARGE // max(1, array.nbytes))
        for first in range(0, len(array), step):
            part = array.slice(first, step)
            _absorb(state[start : start + len(part)], part, seed)
            start += len(part)


def _absorb(state: Words, column: pa.Array, seed: int) -> None:
    """Fold the values of a column into the rows' state, in place."""
    kind = column.type
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        np.bitwise_xor(state, _bits(column), out=state)
        mix(state)
    elif _offset_type(kind) is not None:
        _absorb_text(state, column, seed)
    elif pa.types.is_struct(kind):
        _absorb_nulls(state, column)
        for child in column.flatten():
            _absorb(state, _contiguous(_plain(pa.chunked_array([child]))), seed)
    else:
        texts = [None if value is None else repr(value) for value in column.to_pylist()]
        _absorb_text(state, pa.array(texts, pa.large_string()), seed)


def _absorb_nulls(state: Words, column: pa.Array) -> None:
    if column.null_count:
        np.bitwise_xor(state, _NULL, out=state, where=_null_mask(column))
    mix(state)


def _null_mask(column: pa.Array) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = pc.is_null(column).to_numpy(zero_copy_only=False)
    return mask


def _bits(column: pa.Array) -> Words:
    """Return each number's own 64-bit pattern, with one pattern for null, for NaN and for zero of either sign."""
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8()).cast(pa.int64())
    dtype = np.float64 if pa.types.is_floating(column.type) else np.int64
    values = _buffer(column, 1, dtype, len(column))
    if dtype is np.float64:
        values = values + 0.0  # -0.0 + 0.0 is 0.0
        nan = np.isnan(values)
        bits = values.view(np.uint64)
        if nan.any():
            bits[nan] = _NAN
    else:
        bits = values.view(np.uint64)
    return np.where(_null_mask(column), _NULL, bits) if column.null_count else bits


def _buffer(column: pa.Array, which: int, dtype: Any, size: int) -> NDArray[Any]:
    """Return `size` items of one of an array's buffers, from the array's own offset on."""
    buffer = column.buffers()[which]
    if size == 0 or buffer is None:
        return np.zeros(size, dtype)
    return np.frombuffer(buffer, dtype, size, column.offset * np.dtype(dtype).itemsize)


def _offset_type(kind: pa.DataType) -> Any:
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return np.int32
    return np.int64 if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind) else None


def _absorb_text(state: Words, column: pa.Array, seed: int) -> None:
    """Fold texts or bytes into the state: their length, then their bytes as little-endian words of eight.

    Reading all rows' words at once is many times faster than hashing each text, or than finding the distinct ones.
    """
    offsets = _buffer(column, 1, _offset_type(column.type), len(column) + 1).astype(np.int64)
    start, size = offsets[:-1] - offsets[0], np.diff(offsets)
    missing = _null_mask(column) if column.null_count else None
    if missing is not None:
        size[missing] = 0
    length = size.astype(np.uint64) * _LENGTH
    if missing is not None:
        length[missing] = _NULL
    np.bitwise_xor(state, length, out=state)
    data = column.buffers()[2]
    content = data[int(offsets[0]) : int(offsets[-1])] if data is not None else b""
    long = np.flatnonzero(size > _SHORT)
    if len(long):
        _absorb_long(state, memoryview(content), start, size, rows=long, seed=seed)
    for rows, words in _words(content, start, size):
        if rows is None:
            mix(np.bitwise_xor(state, words, out=state))
        else:
            state[rows] = mix(state[rows] ^ words)


def _absorb_long(
    state: Words, content: memoryview, start: NDArray[np.int64], size: NDArray[np.int64], *, rows: Any, seed: int
) -> None:
    """Fold the XXH3 hash of each long text into the state, and set its size to 0, so that it is not read again."""
    ends = start + size
    digests = [xxhash.xxh3_64_intdigest(content[start[row] : ends[row]], seed) for row in rows]
    state[rows] ^= np.array(digests, np.uint64)
    size[rows] = 0


def _words(
    content: Any, start: NDArray[np.int64], size: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.intp] | None, Words]]:
    """Yield the k-th word of the texts for k = 0, 1, …, with the rows that have one; None stands for all rows.

    Every text has a first word, if need be of no bytes; a word's bytes beyond the text's end are 0.
    """
    padded = np.zeros(len(content) + 8, np.uint8)
    padded[: len(content)] = np.frombuffer(content, np.uint8)
    view = np.lib.stride_tricks.as_strided(padded[:8].view("<u8"), (len(content) + 1,), (1,), writeable=False)
    yield None, view[start] & _TAILS[np.minimum(size, 8)]
    for skip in range(8, int(size.max(initial=0)), 8):
        rows = np.flatnonzero(size > skip)
        words = view[start[rows] + skip] & _TAILS[np.minimum(size[rows] - skip, 8)]
        yield (None, words) if len(rows) == len(size) else (rows, words)
