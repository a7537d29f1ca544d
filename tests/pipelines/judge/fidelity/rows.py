"""Small datasets as a build publishes them: real rows as the source streams them, and shards with provenance."""

import numpy as np
import pyarrow as pa

from schemas.manifest import ClassCounts, Manifest, Shard
from schemas.plan import Column


def people(rows, seed=0, rich=0.0, income="high"):
    """Return rows of a table: money follows age, and a city does not; `rich` is added to the money."""
    rng = np.random.default_rng(seed)
    age = rng.integers(20, 70, rows)
    return pa.table(
        {
            "age": pa.array(age),
            "money": pa.array(age * 100.0 + rng.normal(0, 300, rows) + rich),
            "city": pa.array(rng.choice(["Ulm", "Bonn", "Kiel"], rows)),
            "income": pa.array([income] * rows, pa.string()),
        }
    )


def columns_of(table, roles=None):
    kinds = {field.name: str(field.type) for field in table.schema}
    roles = roles or {}
    return [
        Column(name=name, type="image" if kind.startswith("struct") else kind, role=roles.get(name, "feature"))
        for name, kind in kinds.items()
    ]


def manifest_of(table, label, modality="tabular", roles=None, origin="synthetic", **changes):
    shard = Shard(path="data/train-00000-of-00001.parquet", split="train", rows=1000, bytes=100_000, sha256="9" * 64)
    made = Manifest(
        name="demo",
        spec_fingerprint="5" * 64,
        source_fingerprint="6" * 64,
        seed=7,
        modality=modality,
        by=[label],
        label=label,
        generator="smote",
        origin=origin,
        model_fingerprint=None,
        columns=columns_of(table, roles),
        counts={"any": ClassCounts(real=1, synthetic=1, target=2)},
        source_counts={"any": 1},
        rejections={},
        attempts={},
        shards=[shard],
        content_hash="a" * 64,
        versions={},
    )
    return made.model_copy(update=changes)


def source(table):
    """Return the rows as the source streams them, in two parts."""
    numbered = table.append_column("_row", pa.array(np.arange(table.num_rows)))
    half = table.num_rows // 2
    return [numbered.slice(0, half), numbered.slice(half)]


def shards(real, made, parents=None):
    """Return published rows, in two shards; `parents` are places in the source."""
    origins = ["real"] * real.num_rows + ["made"] * made.num_rows
    ids = [f"real-{n}" for n in range(real.num_rows)] + [f"made-0-0-{n}" for n in range(made.num_rows)]
    known = [None] * made.num_rows if parents is None else [f"real-{place}" for place in parents]
    rows = pa.concat_tables([real, made])
    rows = rows.append_column("_id", pa.array(ids, pa.string())).append_column("_origin", pa.array(origins))
    rows = rows.append_column("_parent", pa.array([None] * real.num_rows + known, pa.string()))
    order = np.random.default_rng(0).permutation(rows.num_rows)
    rows = rows.take(pa.array(order))
    return [rows.slice(0, 100), rows.slice(100)]
