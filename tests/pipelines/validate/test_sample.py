"""The sample that validators learn of keeps small classes whole."""

import numpy as np
import pyarrow as pa
import pytest

from pipelines.validate.sample import quota, stratified_sample


def test_the_sample_keeps_small_classes_and_does_not_depend_on_batches() -> None:
    rng = np.random.default_rng(0)
    classes = rng.choice(3, 5000, p=[0.9, 0.09, 0.01])
    table = pa.table({"row": np.arange(5000), "class": classes})
    fingerprints = rng.integers(0, 2**64, 5000, dtype=np.uint64)

    def sample(order, size):
        cuts = [order[start : start + size] for start in range(0, 5000, size)]
        return stratified_sample(((table.take(cut), fingerprints[cut], classes[cut]) for cut in cuts), 600)

    whole = sample(np.arange(5000), 5000)
    assert np.bincount(whole["class"].to_numpy())[2] == (classes == 2).sum()
    assert 595 < len(whole) <= 600
    for size in (1000, 37):
        assert sample(rng.permutation(5000), size) == whole


@pytest.mark.parametrize(
    ("sizes", "rows", "expected"), [([10, 10], 100, 10), ([90, 10], 50, 40), ([5, 5, 5], 7, 2), ([9, 9, 9], 2, 1)]
)
def test_quota(sizes: list[int], rows: int, expected: int) -> None:
    assert quota(np.array(sizes), rows) == expected
