"""Tables of any bytes: CSV, TSV, JSON Lines and Parquet, whole and packed."""

import gzip
import io
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.promise import hostile, kept, mutated, spec_of

CSV = [
    b"x,y\n1,a\n2,b\n3,a\n4,a\n",
    b'x,y,z\n"a ""b""\n c",u,2020-01-01\n=1+1,v,2020-01-02T03:04:05Z\n,u,\n0x1,u,nan\n',
    "\ufeffx,y\r\n1.5,<script>\r\n1e400,{{7*7}}\r\n-0,é\r\n".encode(),
]
LINES = [
    b'{"y": "a", "x": 1}\n{"y": "b", "x": 2.5}\n{"y": "a"}\n',
    b'{"y": true, "x": null}\n{"y": false, "x": "\\u00e9\\ud83d\\ude00"}\n{"y": true, "x": [1]}\n',
]
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def parquet(**options: object) -> bytes:
    table = pa.table(
        {
            "x": pa.array([1, 2, None, 4], pa.int32()),
            "t": pa.array(["é", "", None, "<b>"]).dictionary_encode(),
            "when": pa.array([0, 1000, 2000, 3000], pa.timestamp("ns", "UTC")),
            "y": ["a", "b", "a", "a"],
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def read(name: str, data: bytes, **parts: object) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        return kept(spec_of(path, **parts))


@hostile
@given(data=mutated(CSV) | st.binary(max_size=200), tabs=st.booleans(), drop=st.sampled_from(["drop", "refuse"]))
def test_delimited_text(data: bytes, tabs: bool, drop: str) -> None:
    data = data.replace(b",", b"\t") if tabs else data
    read("d.tsv" if tabs else "d.csv", data, source={"missing_label": drop})


@hostile
@given(data=mutated([gzip.compress(CSV[0], mtime=0), gzip.compress(CSV[1], mtime=0) * 2]))
def test_packed_text(data: bytes) -> None:
    read("d.csv.gz", data)


@hostile
@given(data=mutated(LINES) | st.binary(max_size=200))
def test_json_lines(data: bytes) -> None:
    read("d.jsonl", data)


@hostile
@given(
    rows=st.lists(
        st.dictionaries(st.sampled_from("xyz") | st.text(max_size=3), _VALUES, max_size=4), min_size=1, max_size=6
    )
)
def test_json_values(rows: list[dict[str, object]]) -> None:
    read("d.jsonl", b"".join(json.dumps({"y": "ab"[n % 2], **row}).encode() + b"\n" for n, row in enumerate(rows)))


@hostile
@given(data=mutated([parquet(), parquet(compression="none", use_dictionary=False), parquet(version="1.0")]))
def test_parquet(data: bytes) -> None:
    read("d.parquet", data)


@hostile
@given(
    rows=st.lists(st.tuples(st.text(), st.text()), min_size=2, max_size=8),
    names=st.tuples(st.text(max_size=12), st.text(max_size=12)),
)
def test_names_and_classes_of_any_text(rows: list[tuple[str, str]], names: tuple[str, str]) -> None:
    data = [dict(zip(names, row, strict=True)) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "d.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in data))
        kept(spec_of(path, names[1] or "y"))
