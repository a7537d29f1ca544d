"""The memory of texts: packed sets, estimates by min-hash, and it grows."""

import numpy as np
import pytest

from pipelines.validate.sets import Sets, distinct
from pipelines.validate.text.set_memory import NearTexts, min_hashes, pack, to_signatures, unpack


def test_packing_keeps_short_sets_and_estimates_agree() -> None:
    rng = np.random.default_rng(0)
    sizes = np.array([0, 3, 64, 65, 900])
    sets = distinct(Sets.of(rng.integers(0, 2**63, sizes.sum()).astype(np.uint64), sizes))
    short, held = unpack(pack(sets, 64))
    assert short.tolist() == [True, True, True, False, False]
    np.testing.assert_array_equal(held.take(np.arange(3)).values, sets.take(np.arange(3)).values)
    again = to_signatures(held.take(np.array([2, 4])), short[[2, 4]], 64)
    expected = to_signatures(sets.take(np.array([2, 4])), np.array([True, True]), 64)
    np.testing.assert_array_equal(again.values, expected.values)
    many = rng.integers(0, 2**63, 3000).astype(np.uint64)
    pair = min_hashes(Sets.of(np.concatenate([many[:2000], many[1000:]]), np.array([2000, 2000])), 1024)
    assert (pair[0] == pair[1]).mean() == pytest.approx(1 / 3, abs=0.06)


def test_a_memory_of_many_texts_grows_and_stays_fast() -> None:
    rng = np.random.default_rng(0)
    novelty = NearTexts(0.8, 128)
    sketches = pack(Sets.of(rng.integers(0, 2**63, 12 * 20_000).astype(np.uint64), np.full(20_000, 12)), 128)
    assert novelty.admit(sketches).all()
    assert not novelty.admit(sketches[::7].copy()).any()
    assert len(novelty._exact._runs) < 16
