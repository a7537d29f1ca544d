"""Texts as points: close where the wording is."""

import numpy as np
import pyarrow as pa
import pyarrow.csv

from pipelines.judge.text.points import text_points


def test_points_of_texts_are_close_where_the_wording_is():
    real = pa.table({"text": ["free prize, call now", "see you at home tonight", "the bus is late again", None]})
    encode = text_points(real, "text", seed=0)
    made = encode(pa.table({"text": ["free prize, call now", "see you at home tomorrow", "win cash"]}))
    near = np.linalg.norm(encode(real)[:, None] - made[None], axis=2)
    assert near[0, 0] == 0
    assert near[1, 1] < 0.75 * near[0, 1]
