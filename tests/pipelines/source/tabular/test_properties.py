"""Whatever table is written as CSV comes back as it was, or is refused in plain words; and memory stays flat."""

import csv
import io
import json
import tempfile
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.source import profile_source, read_source
from pipelines.source.tabular import delimited
from schemas.errors import MakeweightError
from schemas.spec import NULL_TOKENS, Source

_CELLS = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=True).map(str),
    st.booleans().map(str),
    st.dates().map(str),
    st.datetimes().map(str),
    st.sampled_from([*NULL_TOKENS, " x ", "007", "0x1", "+5", "1e400", "-0", "\t", '"', "a\r\nb", "NAN", "Infinity"]),
    st.text(st.characters(codec="utf-8"), max_size=8),
)
_ROWS = st.lists(st.tuples(_CELLS, _CELLS, st.sampled_from("ab")), min_size=1, max_size=12)


def _expected(text: str) -> str | None:
    trimmed = text.strip(" \t\n\v\f\r")
    return None if trimmed in NULL_TOKENS else trimmed


def _same(text: str | None, value: object) -> bool:
    """Whether a cell's text and what was read of it are one value."""
    if text is None or value is None or isinstance(value, str):
        return text == value
    if isinstance(value, bool):
        return text.lower() == str(value).lower()
    if isinstance(value, int):
        return int(text) == value
    if isinstance(value, float):
        return float(text) == value
    return str(value)[:10] == text[:10] or "+" in text or "-" in text[10:] or "Z" in text


@settings(max_examples=300, deadline=None)
@given(rows=_ROWS)
def test_a_table_written_as_csv_comes_back_or_is_refused(rows: list[tuple[str, str, str]]) -> None:
    written = io.StringIO(newline="")
    csv.writer(written).writerows([("x", "z", "y"), *rows])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "d.csv"
        path.write_bytes(written.getvalue().encode())
        source = Source(path=str(path), label="y")
        try:
            profile = profile_source(source, ["y"])
        except MakeweightError:
            return
        read = pa.concat_tables(read_source(source, profile))
    assert read.num_rows == len(rows)
    for (x, z, y), got in zip(rows, read.to_pylist(), strict=True):
        assert _same(_expected(x), got["x"]), (x, got)
        assert _same(_expected(z), got["z"]), (z, got)
        assert got["y"] == y


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200), name=st.sampled_from(["d.csv", "d.tsv", "d.jsonl", "d.parquet", "d.csv.gz"]))
def test_bytes_of_any_kind_are_read_or_refused(data: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(b"y,x\n" + data if name.endswith(("csv", "tsv")) else data)
        source = Source(path=str(path), label="y", missing_label="drop")
        try:
            profile = profile_source(source, ["y"])
            assert sum(table.num_rows for table in read_source(source, profile)) == profile.rows
        except MakeweightError:
            return


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.dictionaries(
            st.sampled_from(["a", "b"]),
            st.none() | st.booleans() | st.integers() | st.floats(allow_infinity=False) | st.text(max_size=5),
        ),
        min_size=1,
        max_size=10,
    )
)
def test_json_lines_come_back_or_are_refused(rows: list[dict[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "d.jsonl"
        path.write_text("".join(json.dumps({"y": "c", **row}) + "\n" for row in rows))
        source = Source(path=str(path), label="y")
        profile = profile_source(source, ["y"])
        read = pa.concat_tables(read_source(source, profile)).to_pylist()
    for row, got in zip(rows, read, strict=True):
        for name in row:
            value, found = row[name], got[name]
            same = value == found or value != value or (isinstance(found, str) and _text(value) == found)
            assert same, (value, found)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def held_by(path: Path, rows: int) -> int:
    """Return the most bytes that this process has held for reading, once it read a table of so many rows."""
    delimited.BLOCK_BYTES = 1 << 18  # pyarrow reads 32 blocks ahead; of the usual size, these would take in all rows
    with path.open("w") as file:
        file.write("i,x,t,y\n")
        file.writelines(f"{n},{n / 7},{'some words ' * 6}{n},{n % 2}\n" for n in range(rows))
    source = Source(path=str(path), label="y")
    tracemalloc.start()
    profile = profile_source(source, ["y"])
    assert max(table.num_rows for table in read_source(source, profile)) <= 65_536
    python = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert profile.rows == rows
    return python + pa.default_memory_pool().max_memory()


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """By what is held, not by the process's size: allocators keep what was freed, and how much depends on threads."""
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:  # what else this process holds comes and goes
        small = alone.submit(held_by, tmp_path / "small.csv", 150_000).result()
        large = alone.submit(held_by, tmp_path / "large.csv", 900_000).result()
    assert large - small < 16 << 20
