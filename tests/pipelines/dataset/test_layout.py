"""Every row has one place: splits take their share of each class, shards are even, and the order is a fixed shuffle."""

import numpy as np
import pyarrow as pa
import pytest

from pipelines.dataset.layout import arrange_rows
from pipelines.fill.loop import AcceptedChunk
from pipelines.plan.seeds import derive_seed, keyed_order
from pipelines.source.ingest import RealRows
from pipelines.storage.folder import Folder
from schemas.plan import Plan, SourceProfile, Step, Stratum

REAL = {"a": 900, "b": 60}


def plan(targets, *, shard_rows=100, splits=None, seed=0):
    profile = SourceProfile(
        path="x", format="csv", files=[], bytes=1, rows=960, dropped=0, columns=[], by=["y"],
        counts=[([name], rows) for name, rows in REAL.items()], fingerprint="f",
    )  # fmt: skip
    return Plan(
        name="x", seed=seed, modality="tabular", label="y", profile=profile,
        strata=[Stratum(name=n, key=[n], real=REAL[n], target=t, chunk_rows=100) for n, t in targets.items()],
        generator=Step(name="resample", params={}), validators=[], attempts_per_row=20, fit_rows=10,
        shard_rows=shard_rows, splits=splits or {"train": 1.0}, spec_fingerprint="s",
    )  # fmt: skip


@pytest.fixture
def real(tmp_path):
    names = np.random.default_rng(0).permutation(np.repeat(list(REAL), list(REAL.values())))
    folder = Folder(str(tmp_path / "real"))
    table = pa.table({"_row": np.arange(960), "_stratum": pa.array(names).dictionary_encode()})
    files = ["0.arrow", "1.arrow"]
    folder.write_arrow(files[0], table.slice(0, 500))
    folder.write_arrow(files[1], table.slice(500))
    return RealRows(folder, files)


def accepted(rows):
    return [AcceptedChunk("b", n, np.arange(min(100, rows - n * 100), dtype=np.int32)) for n in range(-(-rows // 100))]


def places(layout, folder):
    """Return (part, position, split) of every row of the dataset, in order."""
    rows = []
    for group in layout.groups:
        table = folder.read_arrow(group.file)
        split = [shard.split for shard in group.shards for _ in range(shard.stop - shard.start)]
        rows += zip(table["part"].to_pylist(), table["position"].to_pylist(), split, strict=True)
    return rows


def test_each_row_has_exactly_one_place(real, tmp_path):
    folder = Folder(str(tmp_path / "out"))
    rows = places(arrange_rows(plan({"a": 900, "b": 900}), real, accepted(840), folder, "t"), folder)
    assert len(rows) == len(set(rows)) == 1800
    first = [part for part, _, _ in rows[:200]]
    assert len(set(first)) > 5, "the order is shuffled over the parts"


def test_shards_are_as_few_and_as_even_as_can_be(real, tmp_path):
    layout = arrange_rows(plan({"a": 900, "b": 60}, shard_rows=250), real, [], Folder(str(tmp_path / "out")), "t")
    shards = [shard for group in layout.groups for shard in group.shards]
    assert [s.stop - s.start for s in shards] == [240, 240, 240, 240]
    assert shards[0].path == "data/train-00000-of-00004-t.parquet"


def test_splits_take_their_share_of_every_class(real, tmp_path):
    folder = Folder(str(tmp_path / "out"))
    asked = plan({"a": 500, "b": 500}, splits={"train": 0.8, "test": 0.2})
    layout = arrange_rows(asked, real, accepted(440), folder, "t")
    names = np.concatenate([table["_stratum"].to_numpy() for table in real.tables()])
    of_class = {"train": {"a": 0, "b": 0}, "test": {"a": 0, "b": 0}}
    for part, position, split in places(layout, folder):
        name = names[position + 500 * part] if part < 2 else "b"
        of_class[split][name] += 1
    assert of_class == {"train": {"a": 400, "b": 400}, "test": {"a": 100, "b": 100}}


def test_down_sampling_and_order_depend_on_the_seed_alone(real, tmp_path):
    def rows(seed, name):
        folder = Folder(str(tmp_path / name))
        return places(arrange_rows(plan({"a": 60, "b": 60}, seed=seed), real, [], folder, "t"), folder)

    assert rows(1, "x") == rows(1, "y")
    assert set(rows(1, "x")) != set(rows(2, "z"))
    assert len(rows(1, "x")) == 120


def test_of_each_class_with_too_many_rows_those_with_the_smallest_keys_stay(real, tmp_path):
    folder = Folder(str(tmp_path / "out"))
    rows = places(arrange_rows(plan({"a": 77, "b": 9}), real, [], folder, "t"), folder)
    names = np.concatenate([table["_stratum"].to_numpy() for table in real.tables()])
    keys = keyed_order(np.arange(960, dtype=np.uint64), derive_seed(0, "keep"))
    smallest = [
        rows[np.argsort(keys[rows])[:most]]
        for name, most in (("a", 77), ("b", 9))
        for rows in [np.flatnonzero(names == name)]
    ]
    assert sorted(position + 500 * part for part, position, _ in rows) == sorted(np.concatenate(smallest).tolist())


def test_a_copy_of_a_plan_numbers_its_own_strata():
    whole = plan({"a": 900, "b": 60})
    assert whole.numbers == {"a": 0, "b": 1}
    fewer = whole.model_copy(update={"strata": whole.strata[1:]})
    assert (fewer.numbers, fewer.stratum("b").real, whole.numbers["b"]) == ({"b": 0}, 60, 1)
    assert fewer == whole.model_copy(update={"strata": whole.strata[1:]})
    assert "numbers" not in fewer.model_dump()
