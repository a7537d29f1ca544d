"""An even draw keeps small classes whole and does not depend on how the stream was cut."""

import numpy as np
import pyarrow as pa

from pipelines.fit.draw import draw_evenly
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
