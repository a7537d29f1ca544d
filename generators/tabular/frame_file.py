"""Saves and loads codecs of frames: columns as JSON, values of categories as Parquet. Knows no model."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from generators.tabular.calendar_numbers import Calendar
from generators.tabular.frame import Category, Codec, Number

_CLASS = "class"


def save_codec(codec: Codec, path: Path) -> None:
    """Write `schema.parquet`, `codec.json` and `values.parquet` into the folder."""
    pq.write_table(codec.schema.empty_table(), path / "schema.parquet")
    pq.write_table(_values_table(codec), path / "values.parquet")
    description = {
        "label": codec.label,
        "columns": [_column_to_json(column) for column in codec.columns],
        "constants": {name: _to_python(cell) for name, cell in codec.constants.items()},
    }
    (path / "codec.json").write_text(json.dumps(description))


def load_codec(path: Path) -> Codec:
    """Read what `save_codec` wrote."""
    description = json.loads((path / "codec.json").read_text())
    schema = pq.read_schema(path / "schema.parquet")
    values = pq.read_table(path / "values.parquet")
    columns = tuple(_column_from_json(one, schema, values) for one in description["columns"])
    return Codec(schema, description["label"], columns, description["constants"])


def _values_table(codec: Codec) -> pa.Table:
    """Return a column of lists for each column of categories: the frequent values, then each class's rare ones."""
    columns = [column for column in codec.columns if isinstance(column, Category)]
    classes = sorted({name for column in columns for name in column.rare})
    data: dict[str, pa.Array] = {_CLASS: pa.array([None, *classes], pa.string())}
    for column in columns:
        lists = [column.values, *(column.rare.get(name) for name in classes)]
        data[column.code] = _make_lists(lists, column.values.type)
    return pa.table(data)


def _make_lists(arrays: list[pa.Array | None], kind: pa.DataType) -> pa.Array:
    ends = np.cumsum([0, *(0 if array is None else len(array) for array in arrays)])
    starts = pa.array(ends, pa.int32(), mask=np.array([array is None for array in arrays] + [False]))
    return pa.ListArray.from_arrays(starts, pa.concat_arrays([pa.array([], kind), *filter(_is_present, arrays)]))


def _is_present(array: pa.Array | None) -> bool:
    return array is not None


def _column_to_json(column: Category | Number) -> dict[str, Any]:
    description = {"name": column.field.name, "code": column.code, "kinds": column.kinds}
    if isinstance(column, Category):
        return description
    bounds = {"low": _to_python(column.low), "high": _to_python(column.high), "spike": _to_python(column.spike)}
    resolution = {"decimals": column.decimals, "step": int(column.step), "narrow": column.narrow}
    return {**description, **bounds, **resolution, "calendar": column.calendar and asdict(column.calendar)}


def _column_from_json(description: dict[str, Any], schema: pa.Schema, values: pa.Table) -> Category | Number:
    field, code, kinds = schema.field(description["name"]), description["code"], description["kinds"]
    if code in values.column_names:
        frequent, *rare = values[code]
        names = values[_CLASS].to_pylist()[1:]
        own = {name: one.values for name, one in zip(names, rare, strict=True) if one.is_valid}
        return Category(field, frequent.values, own, code, kinds)
    calendar = Calendar(**description["calendar"]) if description["calendar"] else None
    kind = np.float64 if pa.types.is_floating(field.type) and calendar is None else np.int64
    low, high, spike = (
        None if description[name] is None else kind(description[name]) for name in ("low", "high", "spike")
    )
    return Number(
        field,
        low,
        high,
        description["decimals"],
        spike,
        code,
        kinds,
        description["step"],
        description["narrow"],
        calendar,
    )


def _to_python(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
