"""A real row's cell comes out of a build with the value and the type that went in, or the plan says what changes."""

import decimal
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from pipelines.dataset.layout import Part
from pipelines.dataset.write import _read_rows, _to_published_column
from pipelines.judge.evaluate.held_out import find_held_out, read_held_out
from pipelines.judge.evaluate.held_out import test_source as held_out_source
from pipelines.plan.planning import make_plan
from pipelines.source.files import fingerprint
from pipelines.source.hashed_reading import hashed
from pipelines.source.ingest import ingest
from pipelines.source.stored_types import settled, to_stored
from pipelines.storage.folder import Folder
from schemas.arrow import arrow_type, published_schema
from schemas.errors import SourceError, SpecError
from schemas.evaluation import Evaluate
from schemas.plan import Column, Plan
from schemas.spec import Spec, parse
from schemas.stored import type_named
from tests.hostile.promise import spec_of

Cells = st.SearchStrategy[Any]


def _whole(bits: int, *, signed: bool) -> Cells:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else st.integers(0, 2**bits - 1)


def _decimal(precision: int, scale: int) -> Cells:
    top = 10**precision - 1
    context = decimal.Context(prec=100)
    return st.integers(-top, top).map(lambda digits: decimal.Decimal(digits).scaleb(-scale, context))


def _ticks(kind: pa.DataType, low: int, high: int) -> Cells:
    return st.integers(low, high).map(lambda ticks: pa.scalar(ticks, pa.int64()).cast(kind))


def _moments(unit: str, zone: str | None = None) -> Cells:
    years = 200 if unit == "ns" else 1900
    scale = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    most = years * 365 * 86_400 * scale
    return _ticks(pa.timestamp(unit, zone), -most, most)


_TEXT = st.text(st.characters(codec="utf-8"), max_size=12).filter(lambda text: text != "")


TYPES: dict[str, tuple[pa.DataType, Cells]] = {
    **{f"int{bits}": (getattr(pa, f"int{bits}")(), _whole(bits, signed=True)) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (getattr(pa, f"uint{bits}")(), _whole(bits, signed=False)) for bits in (8, 16, 32, 64)},
    "float16": (pa.float16(), st.floats(width=16, allow_nan=False, allow_infinity=False)),
    "float32": (pa.float32(), st.floats(width=32, allow_nan=False, allow_infinity=False)),
    "float64": (pa.float64(), st.floats(allow_nan=False, allow_infinity=False)),
    "decimal32": (pa.decimal32(7, 2), _decimal(7, 2)),
    "decimal64": (pa.decimal64(16, 4), _decimal(16, 4)),
    "decimal128": (pa.decimal128(38, 10), _decimal(38, 10)),
    "decimal128 of whole numbers": (pa.decimal128(38, 0), _decimal(38, 0)),
    "decimal128 of ids": (pa.decimal128(10, 0), _decimal(10, 0)),
    "decimal128 of fractions": (pa.decimal128(5, 5), _decimal(5, 5)),
    "decimal256": (pa.decimal256(76, 20), _decimal(76, 20)),
    "bool": (pa.bool_(), st.booleans()),
    "string": (pa.string(), _TEXT),
    "large_string": (pa.large_string(), _TEXT),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(["x", "y", "z w"])),
    "date32": (pa.date32(), st.dates()),
    "time32[s]": (
        pa.time32("ms"),
        st.integers(0, 86_399_999).map(lambda n: pa.scalar(n, pa.int32()).cast(pa.time32("ms"))),
    ),
    "time64[us]": (pa.time64("us"), st.times()),
    "time64[ns]": (pa.time64("ns"), _ticks(pa.time64("ns"), 0, 86_400 * 10**9 - 1)),
    **{
        f"duration[{unit}]": (pa.duration(unit), _ticks(pa.duration(unit), -(10**12), 10**12))
        for unit in ("s", "us", "ns")
    },
    **{f"timestamp[{unit}]": (pa.timestamp(unit), _moments(unit)) for unit in ("s", "ms", "us", "ns")},
    "timestamp[ns] with a zone": (pa.timestamp("ns", "America/New_York"), _moments("ns", "America/New_York")),
    "timestamp[ms] with a zone": (pa.timestamp("ms", "Europe/Berlin"), _moments("ms", "Europe/Berlin")),
    "null": (pa.null(), st.none()),
}


CARRIED: dict[str, tuple[pa.DataType, Cells]] = {
    **TYPES,
    "float64 and all else": (pa.float64(), st.floats(allow_nan=False)),
    "binary": (pa.binary(), st.binary(max_size=8)),
    "large_binary": (pa.large_binary(), st.binary(max_size=8)),
    "fixed_size_binary": (pa.binary(4), st.binary(min_size=4, max_size=4)),
    "list": (pa.list_(pa.int64()), st.lists(st.none() | _whole(64, signed=True), max_size=3)),
    "large_list": (pa.large_list(pa.string()), st.lists(_TEXT, max_size=3)),
    "fixed_size_list": (
        pa.list_(pa.float32(), 2),
        st.lists(st.floats(width=32, allow_nan=False), min_size=2, max_size=2),
    ),
    "struct": (
        pa.struct([("a", pa.int8()), ("b", pa.string())]),
        st.fixed_dictionaries({"a": _whole(8, signed=True), "b": _TEXT}),
    ),
    "map": (pa.map_(pa.string(), pa.int64()), st.lists(st.tuples(_TEXT, _whole(64, signed=True)), max_size=3)),
    "list of structs": (
        pa.list_(pa.struct([("t", pa.timestamp("ms"))])),
        st.lists(st.fixed_dictionaries({"t": st.none()}), max_size=2),
    ),
}


def _array(kind: pa.DataType, cells: list[Any]) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return pa.array(cells, kind.value_type).dictionary_encode()
    return pa.array([cell.value if isinstance(cell, _TICKS) else cell for cell in cells], kind)


_TICKS = (pa.Time32Scalar, pa.Time64Scalar, pa.DurationScalar, pa.TimestampScalar)


def published(plan: Plan, folder: Path, spec: Spec) -> pa.Table:
    """Return the real rows as a build of this plan publishes them, read back from Parquet."""
    real = ingest(spec.source, plan, Folder(str(folder / "real")))
    place = SimpleNamespace(real=real.folder, staged=None)
    sizes = {name: real.folder.read_arrow(name).num_rows for name in real.files}
    tables = [
        _read_rows(plan, Part(None, 0, name), np.arange(rows, dtype=np.int32), place)  # type: ignore[arg-type]
        for name, rows in sizes.items()
    ]
    rows = pa.concat_tables(tables).combine_chunks()
    columns = [_to_published_column(rows[column.name], column) for column in plan.profile.columns]
    pq.write_table(pa.table(columns, schema=published_schema(plan.profile.columns)), folder / "out.parquet")
    return pq.read_table(folder / "out.parquet")


def _come_back(kind: pa.DataType, cells: list[Any], **source: Any) -> None:
    """Check that a column of these cells, in two files' worth of row groups, is published as it is."""
    given_ = pa.table({"x": _array(kind, cells), "y": ["a", "b"] * (len(cells) // 2), "z": [1] * len(cells)})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pq.write_table(given_, folder / "d.parquet", row_group_size=max(1, len(cells) // 2))
        there = pq.read_table(folder / "d.parquet")
        spec = spec_of(folder / "d.parquet", source=source, balance={"target": {}})
        plan = make_plan(spec)
        found = published(plan, folder, spec)
    assert plan.profile.column("x").changed is None
    assert found["x"].type == there["x"].type
    assert found["x"].to_pylist() == there["x"].to_pylist() or found["x"].equals(there["x"])


def _columns(types: dict[str, tuple[pa.DataType, Cells]]) -> Callable[[str], Cells]:
    return lambda name: st.lists(st.none() | types[name][1], min_size=2, max_size=10).map(lambda cells: cells * 2)


def _tried(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate],
    )


@pytest.mark.parametrize("name", TYPES)
def test_a_cell_comes_out_with_the_value_and_the_type_that_went_in(name: str) -> None:
    _try(TYPES, name, 6)


@pytest.mark.parametrize("name", CARRIED)
def test_a_carried_cell_comes_out_as_it_went_in(name: str) -> None:
    _try(CARRIED, name, 3, carry=["x"])


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", TYPES)
def test_a_thousand_columns_of_each_type(name: str) -> None:
    _try(TYPES, name, int(os.environ.get("MAKEWEIGHT_EXAMPLES", "1000")))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", CARRIED)
def test_a_thousand_carried_columns_of_each_type(name: str) -> None:
    _try(CARRIED, name, int(os.environ.get("MAKEWEIGHT_EXAMPLES", "1000")), carry=["x"])


def _try(types: dict[str, tuple[pa.DataType, Cells]], name: str, examples: int, **source: Any) -> None:
    @_tried(examples)
    @given(cells=_columns(types)(name))
    def run(cells: list[Any]) -> None:
        _come_back(types[name][0], cells, **source)

    run()


def _planned(folder: Path, table: pa.Table, **parts: Any) -> tuple[Spec, Plan]:
    pq.write_table(table, folder / "d.parquet")
    spec = spec_of(folder / "d.parquet", **parts)
    return spec, make_plan(spec)


def test_made_cells_are_of_the_columns_type_and_within_it() -> None:
    cases = {
        "decimal128(5, 2)": ("double", [1.005, 123456.0, -0.004, None], ["1.00", "999.99", "0.00", None]),
        "int8": ("int64", [127, 200, -300, None], [127, 127, -128, None]),
        "uint64": ("double", [-3.0, 2.0**63, 1e30, None], [0, 2**63, 18446744073709549568, None]),
        "float": ("double", [0.1, None, 1.0, 2.0], [0.10000000149011612, None, 1.0, 2.0]),
        "time64[us]": ("int64", [-1, 86_400_000_000, 0, None], ["00:00:00", "23:59:59.999999", "00:00:00", None]),
        "decimal128(5, 0)": ("int64", [1, 2, 99999, None], ["1", "2", "99999", None]),
    }
    for stored, (kind, values, expected) in cases.items():
        made = to_stored(pa.array(values, arrow_type(kind)), type_named(stored))
        got = [value if value is None or isinstance(value, int | float) else str(value) for value in made.to_pylist()]
        assert (str(made.type), got) == (stored, expected)
        column = Column(name="x", type=kind, stored=stored)
        once = settled(pa.array(values, arrow_type(kind)), column)
        assert settled(once, column).equals(once)
        assert to_stored(once, type_named(stored)).equals(made)


def test_json_lines_and_csv_carry_what_is_no_feature(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text(
        '{"x": 1, "t": [1, {"a": "\u00e9"}], "y": "a"}\n{"x": 2, "t": "word", "y": "b"}\n' * 2
    )
    with pytest.raises(SourceError, match=r"column 't' holds a list near line 1; .*set source.carry: .t."):
        make_plan(spec_of(tmp_path / "d.jsonl"))
    assert make_plan(spec_of(tmp_path / "d.jsonl", source={"drop": ["t"]})).profile.columns[0].name == "x"
    spec = spec_of(tmp_path / "d.jsonl", source={"carry": ["t"]})
    assert published(make_plan(spec), tmp_path, spec)["t"].to_pylist()[:2] == ['[1, {"a": "é"}]', "word"]
    with pytest.raises(SpecError, match="no column 'tt'"):
        make_plan(spec_of(tmp_path / "d.jsonl", source={"carry": ["t", "tt"]}))
    (tmp_path / "other").mkdir()
    (tmp_path / "d.csv").write_text("x,n,y\n1,007,a\n1,1e3,b\n")
    spec = spec_of(tmp_path / "d.csv", source={"carry": ["n"]})
    assert published(make_plan(spec), tmp_path / "other", spec)["n"].to_pylist() == ["007", "1e3"]


def test_held_out_rows_need_no_column_that_is_carried_or_dropped(tmp_path: Path) -> None:
    cells = {"x": [5, 1, 5, 2], "tags": [["a"], [], None, ["b"]], "n": [[1]] * 4, "y": list("abab")}
    spec, plan = _planned(tmp_path, pa.table(cells), source={"carry": ["tags"], "drop": ["n"]})
    for name, kept in {"all": list(cells), "few": ["x", "y"]}.items():
        pq.write_table(pa.table({column: cells[column] for column in kept}), tmp_path / f"{name}.parquet")
        settings_ = parse(Evaluate, {"test": str(tmp_path / f"{name}.parquet")})
        held_out = held_out_source(spec.source, plan, settings_)
        files = hashed(find_held_out(held_out))
        mark = fingerprint(files, held_out, files.contents())
        found = pa.concat_tables(read_held_out(spec.source, plan, settings_, [], mark))
        assert found.drop_columns("_row").to_pydict() == {"x": [5.0, 1.0, 5.0, 2.0], "y": list("abab")}
