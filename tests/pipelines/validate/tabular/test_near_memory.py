"""The memory of near rows admits what the definition does, and grows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.validate.tabular.near_memory import NearSet, pack


def _greedy(groups: np.ndarray, points: np.ndarray) -> list[bool]:
    """The definition: near none that was kept before."""
    kept: list[int] = []
    for row in range(len(groups)):
        if not any(groups[row] == groups[k] and (np.abs(points[row] - points[k]) <= 1).all() for k in kept):
            kept.append(row)
    return [row in set(kept) for row in range(len(groups))]


@settings(deadline=None)
@given(
    rows=st.integers(0, 120),
    width=st.integers(0, 6),
    groups=st.integers(1, 4),
    spread=st.sampled_from([0.5, 3.0, 12.0, 1e17]),
    digits=st.sampled_from([0, 1, 12]),
    cut=st.integers(1, 130),
    seed=st.integers(0, 2**32),
)
def test_a_near_set_admits_what_the_definition_does(rows, width, groups, spread, digits, cut, seed) -> None:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, rows).astype(np.uint64)
    points = np.round(rng.normal(size=(rows, width)) * spread, digits)
    novelty = NearSet()
    sketches = pack(group, points)
    new = [novelty.admit(sketches[start : start + cut]) for start in range(0, rows, cut)]
    assert np.concatenate([*new, np.zeros(0, bool)]).tolist() == _greedy(group, points)
    assert len(novelty) == sum(map(sum, new))


def test_a_memory_of_many_points_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.arange(0, 30_000, 3, dtype=float)[:, None]
    groups = np.zeros(len(points), np.uint64)
    novelty = NearSet()
    assert novelty.admit(pack(groups, points)).all()
    assert not novelty.admit(pack(groups, points + 1)).any()
    assert novelty.admit(pack(groups, points + 1.5)).all()
