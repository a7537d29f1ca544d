"""A build of a Parquet file of many types, and its next version: the rows are as the source has them."""

import datetime as dt
import os
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from flows.build import build
from pipelines.dataset.verify import verify

pytestmark = pytest.mark.usefixtures("in_process")


def typed_table(rows: int) -> pa.Table:
    """Return decimals, small and large whole numbers, nanoseconds, lists and a label of few rows in one class."""
    rng = np.random.default_rng(3)
    moments = rng.integers(10**17, 10**18, rows)
    digits = [Decimal(int(n)) * 10**15 + Decimal("0.07") for n in rng.integers(10**15, 10**16, rows)]
    return pa.table(
        {
            "id": pa.array(np.arange(rows), pa.int16()),
            "money": pa.array([Decimal(int(n)) / 100 for n in rng.integers(0, 10**6, rows)], pa.decimal128(9, 2)),
            "long": pa.array(digits, pa.decimal128(38, 2)),
            "small": pa.array(rng.integers(0, 100, rows), pa.uint8()),
            "large": pa.array(rng.integers(2**62, 2**63, rows).astype(np.uint64) * 2, pa.uint64()),
            "at": pa.array(moments, pa.timestamp("ns", "Europe/Berlin")),
            "clock": pa.array([dt.time(int(n), 30) for n in rng.integers(0, 24, rows)], pa.time64("us")),
            "kind": pa.array(rng.choice(["x", "y"], rows)).dictionary_encode(),
            "tags": [[int(n)] * 2 for n in rng.integers(0, 9, rows)],
            "label": rng.permutation(["rare"] * 20 + ["common"] * (rows - 20)),
        }
    )


def test_real_rows_are_as_in_the_source_and_made_rows_are_of_its_types(make_spec, tmp_path):
    given = typed_table(200)
    path = tmp_path / "typed.parquet"
    pq.write_table(given, path)
    spec = make_spec(
        source={"path": str(path), "label": "label", "carry": ["tags"]},
        generator={"name": "smote", "actors": 1},
        balance={"at_least": 60},
        output={"path": str(tmp_path / "out"), "versions": {"keep": 3}},
    )
    first = _rows(build(spec), tmp_path / "out" / "v00001")
    _check(first, pq.read_table(path))
    pq.write_table(pa.concat_tables([given, typed_table(210).slice(200)]), path)
    manifest = build(spec)
    second = _rows(manifest, tmp_path / "out" / "v00002")
    _check(second, pq.read_table(path))
    assert manifest.base is not None
    assert manifest.base.anew is None
    assert verify(str(tmp_path / "out" / "v00002")).problems == []


def _rows(manifest, folder):
    return pq.read_table([os.path.join(folder, shard.path) for shard in manifest.shards])


def _check(table, given):
    real = table.filter(pc.equal(table["_origin"], "real")).sort_by("id")
    made = table.filter(pc.not_equal(table["_origin"], "real"))
    for field in given.schema:
        assert table.schema.field(field.name).type == field.type, field.name
        assert real[field.name].to_pylist() == given[field.name].to_pylist(), field.name
    assert made.num_rows == 60 - pc.sum(pc.equal(given["label"], "rare")).as_py()
    assert made["tags"].null_count == made.num_rows
    assert {cell.minute for cell in made["clock"].to_pylist()} == {30}
    assert made["small"].null_count == made["money"].null_count == 0
