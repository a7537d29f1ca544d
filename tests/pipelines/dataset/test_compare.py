"""What differs between two datasets: by manifest, and by rows where the content differs."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.dataset.compare import ClassChange, RowChange, compare_builds
from schemas.arrow import PROVENANCE
from schemas.errors import OutputError
from schemas.manifest import MANIFEST, ClassCounts
from schemas.plan import Column
from tests.pipelines.report.test_card import make_manifest

COLUMNS = [Column(name="age", type="int64"), Column(name="income", type="string")]


def dataset(folder, rows, content="a", columns=COLUMNS, shards=1, **changes):
    """Publish rows (id, origin, value, class, …) by hand; what the manifest says else is of no matter here."""
    (folder / "data").mkdir(parents=True)
    kinds = pa.schema([*((c.name, pa.int64() if c.type == "int64" else pa.string()) for c in columns), *PROVENANCE])
    tables = []
    for row in rows:
        values = dict(zip([column.name for column in columns], row[2:], strict=True))
        made = {"_id": row[0], "_origin": row[1], "_generator": None, "_seed": None, "_parent": None}
        tables.append(values | made)
    table = pa.Table.from_pylist(tables, kinds)
    found = []
    for number, part in enumerate(np.array_split(np.arange(len(rows)), shards)):
        path = f"data/train-{number}.parquet"
        pq.write_table(table.take(pa.array(part)), folder / path)
        shard = make_manifest().shards[0]
        own = {"sha256": hashlib.sha256((folder / path).read_bytes()).hexdigest()}
        found.append(shard.model_copy(update={"path": path, "rows": len(part), "split": "train", **own}))
    manifest = make_manifest(content_hash=content * 64, shards=found, columns=columns, **changes)
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    return str(folder)


REAL = [(f"real-{n}", "real", n, "lo" if n % 3 else "hi") for n in range(20)]
MADE = [(f"made-0-0-{n}", "synthetic", 100 + n, "hi") for n in range(5)]


def test_the_same_rows(tmp_path):
    old = dataset(tmp_path / "old", [*REAL, *MADE])
    new = dataset(tmp_path / "new", [*REAL, *MADE], name="other", versions={"sdv": "2.0.1", "numpy": "2"})
    (tmp_path / "new" / "data" / "train-0.parquet").unlink()  # equal hashes: the shards need not be read
    found = compare_builds(old, new)
    assert found.same
    assert found.rows == {}
    assert found.fields == {"name": ("adult-balanced", "other")}
    assert found.versions == {"sdv": ("2.0.0", "2.0.1"), "numpy": (None, "2")}
    assert set(found.classes) == {"<=50K", ">50K"}


def test_rows_are_compared_by_their_values(tmp_path):
    """Two real rows gone, one new; a made row with other values under its old name, one under a new name."""
    moved = [(f"real-{n}", *row[1:]) for n, row in enumerate(REAL[2:])]
    made = [("made-0-0-0", "synthetic", 999, "hi"), *MADE[1:4], ("made-0-1-7", *MADE[4][1:])]
    old = dataset(tmp_path / "old", [*REAL, *MADE], shards=3)
    new = dataset(tmp_path / "new", [*reversed([*moved, *made]), ("real-77", "real", 5555, "lo")], "b", shards=2)
    found = compare_builds(old, new)
    assert not found.same
    assert found.rows["real"] == RowChange(same=18, added=1, removed=2, replaced=0)
    assert found.rows["synthetic"] == RowChange(same=4, added=1, removed=1, replaced=1)
    assert list(found.rows) == ["real", "synthetic"]


def test_equal_rows_count_as_often_as_they_are_there(tmp_path):
    def twins(count):
        return [(f"real-{n}", "real", 7, "lo") for n in range(count)]

    five, three = dataset(tmp_path / "a", twins(5)), dataset(tmp_path / "b", twins(3), "b")
    assert compare_builds(five, three).rows["real"] == RowChange(same=3, added=0, removed=2, replaced=0)
    assert compare_builds(three, five).rows["real"] == RowChange(same=3, added=2, removed=0, replaced=0)


def test_classes_and_columns(tmp_path):
    columns = [COLUMNS[0].model_copy(update={"type": "string"}), COLUMNS[1], Column(name="more", type="int64")]
    rows = [(*row[:2], str(row[2]), row[3], 1) for row in REAL]
    old = dataset(tmp_path / "old", REAL, counts={"hi": ClassCounts(real=7, synthetic=0, target=7)})
    counts = {name: ClassCounts(real=7, synthetic=n, target=7 + n) for n, name in enumerate(["lo", "hi"])}
    new = dataset(tmp_path / "new", rows, "b", columns=columns, counts=counts)
    found = compare_builds(old, new)
    assert found.classes == {"hi": ClassChange(7, 0, 7, 1), "lo": ClassChange(0, 0, 7, 0)}
    assert found.columns == {"more": "added", "age": "int64 → string"}
    assert found.rows["real"].same == 20, "by income alone, which both have as it is"
    other = dataset(
        tmp_path / "other", [(*row[:2], "x") for row in REAL], "c", columns=[Column(name="z", type="string")]
    )
    assert compare_builds(old, other).rows == {}
    assert compare_builds(old, other).columns == {"age": "removed", "income": "removed", "z": "added"}


def test_what_is_no_dataset_or_is_broken(tmp_path):
    old, new = dataset(tmp_path / "old", REAL), dataset(tmp_path / "new", REAL, "b")
    with pytest.raises(OutputError, match="holds no complete dataset"):
        compare_builds(old, str(tmp_path))
    shard = tmp_path / "new" / "data" / "train-0.parquet"
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(OutputError, match=r"data/train-0.parquet cannot be read: .*; see .* makeweight verify "):
        compare_builds(old, new)
    shard.unlink()
    with pytest.raises(OutputError, match=r"data/train-0.parquet cannot be read"):
        compare_builds(old, new)
