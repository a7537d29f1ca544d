"""An even draw keeps small classes whole and does not depend on how the stream was cut."""

import numpy as np
import pyarrow as pa

from pipelines.fit import even_sample
from pipelines.fit.even_sample import draw_evenly
from pipelines.plan.seeds import keyed_order
from schemas.arrow import STRATUM


def stream(sizes, block):
    names = np.repeat(list(sizes), list(sizes.values()))
    np.random.default_rng(0).shuffle(names)
    table = pa.table({"row": np.arange(len(names)), STRATUM: names})
    return [table.slice(start, block) for start in range(0, len(names), block)]


def test_all_rows_when_they_fit():
    drawn = draw_evenly(stream({"a": 50, "b": 5}, 7), 55, seed=1)
    assert drawn["row"].to_pylist() == list(range(55))


def test_small_classes_stay_whole_and_large_ones_share():
    drawn = draw_evenly(stream({"a": 5000, "b": 900, "c": 12}, 100), 500, seed=1)
    counts = {v["values"]: v["counts"] for v in drawn[STRATUM].value_counts().to_pylist()}
    assert counts == {"a": 244, "b": 244, "c": 12}
    assert drawn["row"].to_pylist() == sorted(drawn["row"].to_pylist())


def test_the_draw_does_not_depend_on_the_blocks():
    draws = [draw_evenly(stream({"a": 5000, "b": 900, "c": 12}, block), 300, seed=1)["row"] for block in (9, 800, 6000)]
    assert draws[0].to_pylist() == draws[1].to_pylist() == draws[2].to_pylist()
    assert draws[0] != draw_evenly(stream({"a": 5000, "b": 900, "c": 12}, 9), 300, seed=2)["row"]


def by_hand(table, share, seed):
    """Return the rows with the smallest keys of each stratum, found one stratum at a time."""
    keys = keyed_order(np.arange(table.num_rows, dtype=np.uint64), seed)
    names = table[STRATUM].to_numpy()
    rows = [np.flatnonzero(names == name) for name in np.unique(names)]
    return sorted(int(row) for of_one in rows for row in of_one[np.argsort(keys[of_one])[:share]])


def test_many_strata_are_drawn_as_by_hand_and_are_not_sorted_again_for_each_block(monkeypatch):
    sizes = {f"s{number:02}": 200 + 40 * number for number in range(50)}
    blocks, sorts, real = stream(sizes, 300), [], even_sample._smallest
    monkeypatch.setattr(
        even_sample, "_smallest", lambda table, share: sorts.append(table.num_rows) or real(table, share)
    )
    drawn = draw_evenly(blocks, 2_000, seed=3)
    assert drawn["row"].to_pylist() == by_hand(pa.concat_tables(blocks), 40, seed=3)
    assert len(sorts) <= sum(sizes.values()) / (2 * 2_000) + 2, "of all rows each two thousand are sorted once"
    assert max(sorts) <= 4 * 2_000


def test_more_strata_than_rows_give_one_row_each_and_few_sorts(monkeypatch):
    sizes = {f"s{number:04}": 20 for number in range(1_000)}
    blocks, sorts, real = stream(sizes, 100), [], even_sample._smallest
    monkeypatch.setattr(
        even_sample, "_smallest", lambda table, share: sorts.append(table.num_rows) or real(table, share)
    )
    drawn = draw_evenly(blocks, 10, seed=3)
    assert drawn["row"].to_pylist() == by_hand(pa.concat_tables(blocks), 1, seed=3)
    assert len(sorts) <= 30


def test_blocks_may_have_dictionaries_of_their_own():
    blocks = stream({"a": 500, "b": 90, "c": 12}, 50)
    own = [block.set_column(1, STRATUM, block[STRATUM].dictionary_encode()) for block in blocks]
    assert draw_evenly(own, 60, seed=1)["row"] == draw_evenly(blocks, 60, seed=1)["row"]
