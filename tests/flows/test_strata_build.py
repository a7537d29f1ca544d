"""Builds whose classes have joined names that clash: exact by the classes' values, from the plan to the top-up."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from flows.build import build
from pipelines.dataset.verify import verify
from schemas.manifest import Manifest
from schemas.spec import Spec, parse
from tests.benchmarks.common import CHEAP

pytestmark = pytest.mark.usefixtures("in_process")


def write(path, *classes):
    """Write a table with so many rows of each (one, other, rows)."""
    ones, others = ([one for *pair, rows in classes for one in [pair[at]] * rows] for at in (0, 1))
    pa.csv.write_csv(pa.table({"one": ones, "other": others, "x": np.arange(len(ones)) / 7}), path)


def spec_of(folder, **output):
    data = {
        "name": "clash",
        "source": {"path": str(folder / "rows.csv"), "label": "one"},
        "balance": {"by": ["one", "other"]},
        "generator": {"name": CHEAP, "actors": 1},
        "validate": [],
        "output": {"path": str(folder / "out"), **output},
    }
    return parse(Spec, data)


def counted(folder):
    """Return the real and the made rows of each class in the published shards."""
    table = pq.read_table(sorted(map(str, Path(folder, "data").glob("*.parquet"))))
    counts: dict[tuple[str, str], list[int]] = {}
    for one, other, origin in zip(*(table[name].to_pylist() for name in ("one", "other", "_origin")), strict=True):
        counts.setdefault((one, other), [0, 0])[origin != "real"] += 1
    return counts


def test_classes_with_one_joined_name_are_balanced_counted_and_verified_each_by_its_own_values(tmp_path):
    write(tmp_path / "rows.csv", ("a | b", "c", 9), ("a", "b | c", 5), ("z", "z", 3))
    spec = spec_of(tmp_path)
    manifest = build(spec)
    assert counted(spec.output.path) == {("a | b", "c"): [9, 0], ("a", "b | c"): [5, 4], ("z", "z"): [3, 6]}
    assert {tuple(manifest.class_values[name]): (c.real, c.synthetic) for name, c in manifest.counts.items()} == {
        ("a | b", "c"): (9, 0),
        ("a", "b | c"): (5, 4),
        ("z", "z"): (3, 6),
    }
    assert verify(spec.output.path).problems == []


def test_a_manifest_without_the_values_of_its_classes_is_still_read_and_verified(tmp_path):
    write(tmp_path / "rows.csv", ("a", "b", 9), ("a", "c", 5))
    spec = spec_of(tmp_path)
    build(spec)
    path = Path(spec.output.path, "manifest.json")
    data = json.loads(path.read_text())
    for new in ("class_values", "machine", "seal"):
        data.pop(new, None)
    data["versions"]["makeweight"] = "0.0.9"
    path.write_text(json.dumps(data))
    assert Manifest.model_validate(data).class_values is None
    assert verify(spec.output.path).problems == []
    assert build(spec).content_hash == data["content_hash"]
    assert "class_values" not in json.loads(path.read_text()), "a complete dataset of an earlier version is complete"


def test_a_class_that_comes_later_under_the_name_of_another_takes_no_row_from_it(tmp_path):
    write(tmp_path / "rows.csv", ("a | b", "c", 4), ("z", "z", 9))
    spec = spec_of(tmp_path, versions={"keep": 5})
    first = build(spec)
    assert first.counts["a | b | c"].synthetic == 5
    write(tmp_path / "rows.csv", ("a | b", "c", 4), ("z", "z", 9), ("a", "b | c", 3))
    second = build(spec)
    assert second.base is not None
    assert second.base.anew is None
    assert second.base.carried == {'"a | b" | "c"': 5}
    newest = Path(spec.output.path, "v00002")
    assert counted(newest) == {("a | b", "c"): [4, 5], ("a", "b | c"): [3, 6], ("z", "z"): [9, 0]}
    assert verify(spec.output.path).problems == []
