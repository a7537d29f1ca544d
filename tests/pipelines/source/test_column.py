"""Files of one folder whose columns have different types: no cell changes, or the source is refused."""

import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from pipelines.plan.column_notes import column_lines
from pipelines.plan.planning import make_plan
from schemas.errors import SourceError
from tests.hostile.promise import spec_of
from tests.pipelines.source.tabular.test_parquet import read
from tests.pipelines.test_round_trip import published as published_by


def save(folder: Path, columns: list[pa.Array], name: str = "x") -> Path:
    """Write each array into a file of its own, beside a class."""
    for number, array in enumerate(columns):
        label = pa.array(["ab"[row % 2] for row in range(len(array))])
        other = pa.array([number * len(array) + row % 3 + 0.5 for row in range(len(array))])
        pq.write_table(pa.table({name: array, "y": label, "z": other}), folder / f"{number}.parquet")
    return folder


def published(folder: Path) -> pa.Table:
    """Return the real rows as a build publishes them."""
    spec = spec_of(str(folder), "y")
    with tempfile.TemporaryDirectory() as out:
        return published_by(make_plan(spec), Path(out), spec)


def told(folder: Path) -> str:
    return "\n".join(column_lines(make_plan(spec_of(str(folder), "y"))))


TIME = datetime(2024, 1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("kinds", "right"),
    [
        (("ns", "us"), pa.timestamp("ns")),
        (("us", "ns"), pa.timestamp("ns")),
        (("s", "ns"), pa.timestamp("ns")),
        (("ms", "us"), pa.timestamp("us")),
        (("ns", "us", "s", "ms"), pa.timestamp("ns")),
    ],
)
def test_times_of_different_units_keep_the_finest(tmp_path: Path, kinds: tuple[str, ...], right: pa.DataType) -> None:
    ticks = [pa.array([1_700_000_000, 1_700_000_007]).cast(pa.timestamp("s")).cast(pa.timestamp(one)) for one in kinds]
    ticks = [pa.array([1_700_000_000_123_456_789, 5]).cast(one.type) if one.type.unit == "ns" else one for one in ticks]
    found = published(save(tmp_path, ticks))["x"]
    assert found.type == right
    assert found.cast(pa.timestamp("ns")).cast(pa.int64()).to_pylist() == [
        value for one in ticks for value in one.cast(pa.timestamp("ns")).cast(pa.int64()).to_pylist()
    ]


def test_times_of_different_zones_are_the_same_moments(tmp_path: Path) -> None:
    zones = ["Europe/Berlin", "UTC", "America/New_York"]
    moments = [TIME.replace(tzinfo=UTC) + timedelta(hours=number) for number in range(2)]
    save(tmp_path, [pa.array(moments, pa.timestamp("ns", zone)) for zone in zones])
    found = published(tmp_path)["x"]
    assert found.type == pa.timestamp("ns", "UTC")
    assert found.cast(pa.timestamp("us", "UTC")).to_pylist() == moments * 3
    assert "timestamp[ns, tz=UTC] here" in told(tmp_path)


def test_times_beyond_nanoseconds_are_refused_beside_nanoseconds(tmp_path: Path) -> None:
    save(tmp_path, [pa.array([TIME, TIME], pa.timestamp("ns")), pa.array([TIME, datetime(1500, 1, 1)])])
    with pytest.raises(
        SourceError, match=r"column 'x' is of types .* which|times that nanoseconds do not reach; bring"
    ):
        read(tmp_path)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.duration("s"), pa.duration("us")),
        (pa.time32("ms"), pa.time64("us")),
        (pa.duration("s"), pa.int64()),
        (pa.time64("ns"), pa.int64()),
    ],
)
def test_times_that_are_counted_in_different_units_are_not_mixed(
    tmp_path: Path, one: pa.DataType, other: pa.DataType
) -> None:
    ticks = [pa.array([60, 90], pa.int32() if kind.bit_width == 32 else pa.int64()).cast(kind) for kind in (one, other)]
    with pytest.raises(SourceError, match=r"column 'x' is of types .* which count times in different ways; bring"):
        read(save(tmp_path, ticks))


@pytest.mark.parametrize(
    ("kinds", "values", "right"),
    [
        ((pa.decimal128(5, 2), pa.decimal128(9, 4)), ["1.55", "1.5551"], pa.decimal128(9, 4)),
        ((pa.decimal128(20, 0), pa.decimal128(38, 0)), ["12345678901234567891", "12345678901234567892"], None),
        ((pa.decimal32(5, 2), pa.decimal64(12, 6)), ["1.55", "1.000001"], pa.decimal128(12, 6)),
        ((pa.decimal128(38, 0), pa.decimal128(38, 38)), ["9" * 38, "0." + "1" * 38], pa.decimal256(76, 38)),
        ((pa.uint64(), pa.int64()), ["18446744073709551615", "-9223372036854775808"], pa.decimal128(20, 0)),
        ((pa.int64(), pa.uint64()), ["-1", "18446744073709551614"], pa.decimal128(20, 0)),
    ],
)
def test_decimals_of_different_files_are_decimals_of_the_wider_type(
    tmp_path: Path, kinds: tuple[pa.DataType, ...], values: list[str], right: pa.DataType | None
) -> None:
    cells = [
        pa.array([number(kind, value), number(kind, value), None], kind)
        for kind, value in zip(kinds, values, strict=True)
    ]
    found = published(save(tmp_path, cells))["x"]
    assert found.type == (right or kinds[1])
    got = [None if value is None else Decimal(value) for value in found.to_pylist()]
    assert got == [Decimal(values[0])] * 2 + [None] + [Decimal(values[1])] * 2 + [None]
    assert f"and {right or kinds[1]} here" in told(tmp_path)


def number(kind: pa.DataType, value: str) -> Any:
    return Decimal(value) if pa.types.is_decimal(kind) else int(value)


def labelled(folder: Path, *named: list[str] | None) -> Path:
    features = {"x": {"dtype": "double", "_type": "Value"}}
    for number, names in enumerate(named):
        table = pa.table({"x": [1.5, 2.5], "y": [0, 1]})
        told = features | {"y": {"names": names, "_type": "ClassLabel"}} if names else features
        text = str({"info": {"features": told}}).replace("'", '"')
        pq.write_table(table.replace_schema_metadata({"huggingface": text}), folder / f"{number}.parquet")
    return folder


def test_a_number_that_means_two_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SourceError,
        match=r"classes of column 'y' are named neg, pos in 0.parquet and pos, neg in 1.parquet, so that one number",
    ):
        read(labelled(tmp_path, ["neg", "pos"], ["pos", "neg"]))
    assert read(labelled(tmp_path, None, ["neg", "pos"]))[0].column("y").names == ["neg", "pos"]
    assert read(labelled(tmp_path, ["neg"], ["neg", "pos"]))[0].column("y").names == ["neg", "pos"]
