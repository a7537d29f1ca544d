"""The cells of the grid find every near point."""

import numpy as np
import pytest

from pipelines.validate.tabular import grid


@pytest.mark.parametrize("pairs", [1 << 20, 7])
def test_cells_find_every_near_point(monkeypatch: pytest.MonkeyPatch, pairs: int) -> None:
    monkeypatch.setattr(grid, "_PAIRS", pairs)
    rng = np.random.default_rng(0)
    groups, points = rng.integers(0, 3, 500).astype(np.uint64), np.round(rng.normal(size=(500, 5)) * 2, 1)
    order, keys, starts = grid.sort_cells(grid.own_cells(groups, points))
    asked = np.round(rng.normal(size=(200, 5)) * 2, 1)
    found = grid.Cells(keys, starts, points[order]).is_near(groups[:200], asked)
    close = (np.abs(asked[:, None] - points[None]) <= 1).all(axis=2) & (groups[:200, None] == groups[None])
    assert 5 < close.any(axis=1).sum() < 195
    np.testing.assert_array_equal(found, close.any(axis=1))
