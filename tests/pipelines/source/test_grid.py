"""Made values of all types of a Parquet file are as fine as the real ones, in the type that the dataset has."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from generators.tabular.smote import SMOTE
from pipelines.plan.model_view import from_model, to_model
from pipelines.plan.planning import make_plan
from pipelines.plan.stream import chunk_request
from pipelines.source import read_source
from pipelines.source.grid import GridState, on_grid
from pipelines.source.stored_types import made_cells
from pipelines.source.strata import stratum_column
from schemas.arrow import STRATUM
from schemas.spec import Spec, parse

ROWS = 200
RNG = np.random.default_rng(0)
DAYS = [dt.date(2001, 1, 1) + dt.timedelta(days=n) for n in RNG.integers(0, 8000, ROWS).tolist()]
UNITS = RNG.integers(0, 10**6, ROWS).tolist()
COLUMNS = {
    "float32": pa.array([round(n / 100, 2) for n in UNITS], pa.float32()),
    "cents": pa.array([Decimal(n) / 100 for n in UNITS], pa.decimal128(12, 4)),
    "gaps": pa.array([float(d.strftime("%Y%m%d")) if n % 5 else None for n, d in enumerate(DAYS)], pa.float64()),
    "months": pa.array([int(d.strftime("%Y%m")) for d in DAYS], pa.int32()),
    "starts": pa.array([dt.datetime(d.year, d.month, 1) for d in DAYS], pa.timestamp("ns")),
    "unsigned": pa.array([2**63 + 7 + 1000 * n for n in UNITS], pa.uint64()),
    "long": pa.array([Decimal(10**20 + 1000 * n) for n in UNITS], pa.decimal128(38, 0)),
    "exact": pa.array([Decimal(10**20 + 25 * n) / 100 for n in UNITS], pa.decimal128(38, 2)),
}
KEPT = {
    "float32": lambda value: value == float(np.float32(round(value, 2))),
    "cents": lambda value: value * 100 % 1 == 0,
    "gaps": lambda value: dt.datetime.strptime(str(int(value)), "%Y%m%d"),
    "months": lambda value: dt.datetime.strptime(str(value), "%Y%m"),
    "starts": lambda value: (value.day, value.hour, value.minute, value.second) == (1, 0, 0, 0),
    "unsigned": lambda value: value % 1000 == (2**63 + 7) % 1000,
    "long": lambda value: int(value) % 1000 == 0,
    "exact": lambda value: int(value.scaleb(2)) % 25 == 0,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The plan's columns, and made rows."""
    folder = tmp_path_factory.mktemp("made")
    labels = ["b" if n % 4 else "a" for n in range(ROWS)]
    pq.write_table(pa.table({**COLUMNS, "y": labels}), folder / "t.parquet")
    data = {"name": "t", "source": {"path": str(folder / "t.parquet"), "label": "y"}, "generator": {"name": "smote"}}
    spec = parse(Spec, data | {"output": {"path": str(folder / "o")}})
    plan = make_plan(spec)
    real = pa.concat_tables(read_source(spec.source, plan.profile))
    real = real.append_column(STRATUM, stratum_column(real, plan.by, plan.class_values))
    generator = SMOTE(SMOTE.Params())
    generator.fit(to_model(real, plan), STRATUM, 0)
    request = chunk_request(0, plan.stratum("a"), 0)
    return plan.profile, from_model(generator.sample(request), request, plan)


@pytest.mark.parametrize("name", COLUMNS)
def test_made_values_are_as_fine_as_the_real_ones(made, name):
    profile, rows = made
    cells = rows[name].combine_chunks()
    found = made_cells(cells, profile.column(name))
    assert found.type == COLUMNS[name].type
    values = [value for value in found.to_pylist() if value is not None]
    assert len(set(values)) > 10
    assert [value for value in values if not KEPT[name](value)] == []
    assert all(KEPT[name](value) for value in COLUMNS[name].to_pylist() if value is not None)


def _grid(values, kind):
    state = GridState()
    for value in values:
        state.observe(pa.array([value], kind))
    return state.finish()


def test_a_grid_needs_long_numbers_and_no_chance():
    assert _grid([1000 * n for n in range(50)], pa.uint64()) is None  # doubles hold them
    assert _grid([2**60 + 1000 * n for n in range(2)], pa.uint64()) is None
    assert _grid([2**60 + n for n in range(50)], pa.uint64()) is None
    assert _grid([2**60 + 1000 * n for n in range(50)], pa.uint64()).step == "1000"
    assert _grid([2**60 + 1000 * n for n in range(50)], pa.int64()) is None  # which is computed with as it is


def test_what_lies_beyond_the_type_is_brought_within():
    grid = _grid([2**64 - 1 - 1000 * n for n in range(50)], pa.uint64())
    found = on_grid(pa.array([2**64 - 2, 3, None, 0], pa.uint64()), grid).to_pylist()
    assert [None if one is None else (one - 2**64 + 1) % 1000 for one in found] == [0, 0, None, 0]
    assert found[0] == 2**64 - 1
