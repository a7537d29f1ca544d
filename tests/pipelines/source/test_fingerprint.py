import subprocess
import sys
from datetime import UTC, date, datetime, time
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.source import fingerprint
from pipelines.source.fingerprint import row_hashes

TEXTS = st.text(max_size=12) | st.text(min_size=60, max_size=70) | st.sampled_from(["", "\0", "a", "a\0"])
ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1]),
        st.none() | st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0]),
        st.none() | st.booleans(),
        st.none() | TEXTS,
        st.none() | st.dates(),
        st.none() | st.lists(st.integers(0, 3), max_size=3),
    ),
    max_size=30,
)
SCHEMA = pa.schema(
    {"i": pa.int64(), "f": pa.float64(), "b": pa.bool_(), "t": pa.string(), "d": pa.date32(), "l": pa.list_(pa.int8())}
)


def _table(rows) -> pa.Table:
    columns = [pa.array([row[k] for row in rows], field.type) for k, field in enumerate(SCHEMA)]
    return pa.table(columns, schema=SCHEMA)


@settings(deadline=None)
@given(ROWS)
def test_hashes_are_equal_exactly_where_rows_are(rows) -> None:
    hashes = row_hashes(_table(rows)).tolist()
    same = [(*row[:5], None if row[5] is None else tuple(row[5])) for row in rows]
    assert len(set(zip(hashes, same, strict=True))) == len(set(same)) == len(set(hashes))


@settings(deadline=None)
@given(ROWS, st.integers(0, 30), st.integers(1, 7))
def test_chunks_slices_and_encodings_do_not_matter(rows, first, size) -> None:
    table = _table(rows)
    whole = row_hashes(table, lanes=2)
    np.testing.assert_array_equal(row_hashes(table.slice(first), lanes=2), whole[first:])
    if rows:
        chunked = pa.concat_tables([table.slice(start, size).combine_chunks() for start in range(0, len(rows), size)])
        np.testing.assert_array_equal(row_hashes(chunked, lanes=2), whole)
    encoded = table.set_column(3, "t", table["t"].dictionary_encode())
    np.testing.assert_array_equal(row_hashes(encoded, lanes=2), whole)
    large = table.set_column(3, "t", table["t"].cast(pa.large_string()))
    np.testing.assert_array_equal(row_hashes(large, lanes=2), whole)


def test_the_bytes_beneath_a_null_do_not_matter() -> None:
    mask = np.array([True, False])
    for one, two in (([1, 2], [3, 2]), ([1.0, 2.0], [np.nan, 2.0])):
        left, right = (pa.table({"x": pa.array(np.array(values), mask=mask)}) for values in (one, two))
        np.testing.assert_array_equal(row_hashes(left), row_hashes(right))
    buffers = [pa.py_buffer(b"\2"), pa.py_buffer(np.array([0, 3, 4], np.int32)), pa.py_buffer(b"abcd")]
    dirty = pa.table({"x": pa.StringArray.from_buffers(2, buffers[1], buffers[2], buffers[0])})
    np.testing.assert_array_equal(row_hashes(dirty), row_hashes(pa.table({"x": [None, "d"]})))


@pytest.mark.parametrize("values", [[None, 0, 1], [None, 0.0, float("nan")], [None, "", "0"], [None, False, True]])
def test_null_is_a_value_of_its_own(values) -> None:
    assert len(set(row_hashes(pa.table({"x": values})).tolist())) == 3


def test_zeros_and_nans() -> None:
    odd = np.array([0x7FF8000000000001, 0xFFF8000000000000, 0x7FF8000000000000], np.uint64).view(np.float64)
    hashes = row_hashes(pa.table({"x": np.concatenate([[0.0, -0.0], odd])})).tolist()
    assert hashes[0] == hashes[1]
    assert hashes[2] == hashes[3] == hashes[4] != hashes[0]


def test_columns_are_ordered_and_nameless() -> None:
    table = pa.table({"a": [1], "b": [2]})
    assert row_hashes(table) != row_hashes(table.select(["b", "a"]))
    assert row_hashes(table) == row_hashes(table.rename_columns(["x", "y"]))
    assert row_hashes(pa.table({"a": ["xy"], "b": ["z"]})) != row_hashes(pa.table({"a": ["x"], "b": ["yz"]}))


@pytest.mark.parametrize(
    "values",
    [
        pa.array([b"a", b"b", None]),
        pa.array([b"ab", b"cd", None], pa.binary(2)),
        pa.array([datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC), None]),
        pa.array([date(2024, 1, 1), date(2025, 1, 1), None], pa.date64()),
        pa.array([time(1), time(2), None]),
        pa.array([Decimal("1.5"), Decimal("2.5"), None]),
        pa.array([1, 2, None], pa.uint64()),
        pa.array([1, 2, None], pa.float32()),
        pa.array(["a", "b", None], pa.string_view()),
        pa.array([{"bytes": b"x", "path": None}, {"bytes": None, "path": "x"}, None]),
        pa.array([[1.0], [2.0], None]),
        pa.array([{"a": [1]}, {"a": None}, None]),
    ],
    ids=lambda values: str(values.type),
)
def test_other_types(values: pa.Array) -> None:
    hashes = row_hashes(pa.table({"x": values}))
    assert len(set(hashes.tolist())) == 3
    np.testing.assert_array_equal(row_hashes(pa.table({"x": pa.concat_arrays([values, values])}))[3:], hashes)
    np.testing.assert_array_equal(row_hashes(pa.table({"x": values}).slice(1)), hashes[1:])


def test_shapes_and_lanes() -> None:
    table = pa.table({"x": np.arange(40_000), "t": [str(k % 7) for k in range(40_000)]})
    both = row_hashes(table, lanes=2)
    assert both.shape == (40_000, 2)
    assert both.dtype == np.uint64
    np.testing.assert_array_equal(both[:, 0], row_hashes(table))
    assert len(np.unique(both)) == 80_000
    assert row_hashes(table.slice(0, 0)).shape == (0,)
    assert row_hashes(pa.table({"n": pa.nulls(2)})).shape == (2,)


def test_bits_are_well_spread() -> None:
    hashes = row_hashes(pa.table({"x": np.arange(20_000), "y": np.zeros(20_000)}))
    bits = np.unpackbits(hashes.view(np.uint8)).reshape(-1, 64).mean(axis=0)
    assert np.abs(bits - 0.5).max() < 0.02


def test_every_process_and_version_agrees() -> None:
    """The numbers stand in published manifests: a change of them needs a new manifest format."""
    code = (
        "import pyarrow as pa; from pipelines.source.fingerprint import row_hashes;"
        "t = pa.table({'a': [1, None], 'b': [0.5, -0.0], 'c': ['x' * 100, 'é'], 'd': [True, None]});"
        "print(row_hashes(t, lanes=2).tolist())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = (
        [3425467991924313991, 17091706600142530660],
        [8807010345708429853, 18426606985894270904],
    )
    assert printed.stdout.strip() == str([first, second])


def test_large_columns_are_hashed_some_rows_at_a_time(monkeypatch):
    texts = pa.chunked_array([["a" * (n % 90) for n in range(70)], [None, "b", "é" * 80], []], pa.string())
    boxes = pa.array([[{"x": n}] * (n % 3) for n in range(73)])
    table = pa.table({"text": texts, "n": range(73), "boxes": boxes, "half": pa.array([n / 2 for n in range(73)])})
    whole = row_hashes(table, lanes=2)
    for large in (1, 100, 1000):
        monkeypatch.setattr(fingerprint, "_LARGE", large)
        assert (row_hashes(table, lanes=2) == whole).all()
