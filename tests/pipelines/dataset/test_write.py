"""A shard's rows are gathered from the parts in their order, whatever they hold and however much that is."""

import numpy as np
import pyarrow as pa
import pytest

from pipelines.dataset import write
from pipelines.dataset.layout import Part, ShardGroup, ShardRange
from pipelines.dataset.write import write_group
from pipelines.plan.planning import make_plan
from pipelines.source.ingest import ingest
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import make_workspace
from schemas.spec import Spec, parse


@pytest.fixture
def built(tmp_path):
    """A plan of texts, and the folders of its build."""
    cells = "".join(f"text {number} of some words,{'rare' if number % 4 else 'common'}\n" for number in range(40))
    (tmp_path / "texts.csv").write_text("text,label\n" + cells)
    source = {"path": str(tmp_path / "texts.csv"), "label": "label"}
    spec = {"name": "t", "source": source, "output": {"path": str(tmp_path / "out")}, "generator": {"name": "resample"}}
    plan = make_plan(parse(Spec, spec))
    place = make_workspace(str(tmp_path / "out"), plan)
    ingest(parse(Spec, spec).source, plan, place.real)
    return plan, place


def stage(place, plan, parts, rows, cell):
    """Stage `parts` parts of so many rows; return them. `cell` makes the text of a row by its part and number."""
    names = [column.name for column in plan.profile.columns]
    for part in range(parts):
        columns = {"text": [cell(part, row) for row in range(rows)], "label": ["rare"] * rows}
        table = pa.table([columns[name] for name in names], names=names)
        place.staged.write_arrow(f"{part}.arrow", table.append_column("_row", pa.array(range(rows), pa.int32())))
    return [Part("rare", part, f"{part}.arrow") for part in range(parts)]


def written(plan, place, parts, order, rows):
    """Write one shard of the rows in this order; return the shard and its folder."""
    part, position = np.divmod(np.asarray(order), rows)
    table = pa.table({"part": part.astype(np.int32), "position": position.astype(np.int32)})
    place.filled.write_arrow("group.arrow", table)
    group = ShardGroup("group.arrow", [ShardRange("data/a.parquet", "train", 7, 7 + len(order))])
    target = Folder(place.output.path)
    [one] = write_group(plan, write.Layout(parts, [group]), group, place, target)
    return one, target


def test_rows_stand_in_the_order_of_the_layout_however_many_are_gathered_at_once(built, monkeypatch):
    plan, place = built
    parts = stage(place, plan, 9, 11, lambda part, row: f"{part} {row} " + "word " * (part * row % 7))
    order = np.random.default_rng(0).permutation(99)[:70]
    whole, target = written(plan, place, parts, order, 11)
    table = pa.parquet.read_table(target.inner("data/a.parquet"))
    assert [text.split()[:2] for text in table["text"].to_pylist()] == [[str(n // 11), str(n % 11)] for n in order]
    assert table["_id"].to_pylist() == [f"made-1-{n // 11}-{n % 11}" for n in order]
    for at_once in (1, 200, 2_000):
        monkeypatch.setattr(write, "MAX_ARRAY_BYTES", at_once)
        sliced, target = written(plan, place, parts, order, 11)
        assert sliced.digests == whole.digests
        assert pa.parquet.read_table(target.inner("data/a.parquet")).equals(table)


@pytest.mark.slow
def test_more_than_2_gib_of_one_column_can_be_gathered_and_written(built):
    """An array of texts or images ends at 2 GiB; parts that a task reads, and a shard that a user wants, may not."""
    plan, place = built
    parts = stage(place, plan, 24, 100, lambda part, _: chr(97 + part) * (1 << 20))
    few, target = written(plan, place, parts, np.arange(0, 2_400, 100), 100)
    assert pa.parquet.read_table(target.inner("data/a.parquet"))["text"].to_pylist()[3][:2] == "dd"
    assert few.shard.rows == 24
    order = np.random.default_rng(0).permutation(2_400)
    every, _ = written(plan, place, parts, order, 100)
    assert every.shard.rows == 2_400
