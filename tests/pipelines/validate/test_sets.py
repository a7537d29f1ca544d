"""The join of sets finds the pairs that comparing all with all does."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.validate.sets import Postings, Sets, distinct, near_pairs, prefixes
from tests.pipelines.validate.text.test_near_duplicates import jaccard


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), spread=st.integers(2, 60), threshold=st.sampled_from([0.3, 0.6, 0.9]))
def test_the_join_finds_what_comparing_all_with_all_does(seed, spread, threshold) -> None:
    rng = np.random.default_rng(seed)

    def some(rows: int) -> Sets:
        sizes = rng.integers(1, 12, rows)
        return distinct(Sets.of(rng.integers(0, spread, sizes.sum()).astype(np.uint64), sizes), ranks)

    ranks = rng.integers(0, 5, 16).astype(np.uint32)
    asked, held = some(40), some(60)
    left, right = near_pairs(asked, held, Postings.of(*prefixes(held, threshold)), threshold)
    rows = [[set(s.values[s.starts[k] : s.starts[k + 1]].tolist()) for k in range(len(s))] for s in (asked, held)]
    near = [(i, j) for i, a in enumerate(rows[0]) for j, b in enumerate(rows[1]) if jaccard(a, b) >= threshold]
    assert sorted(zip(left.tolist(), right.tolist(), strict=True)) == near
