import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.validate.image import hamming
from pipelines.validate.image.hamming import NearCodes, index_parts, near_codes, parts_for


def clustered(count: int, seed: int, flips: int = 6) -> np.ndarray:
    """Codes of which many differ in a few bits only."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2**64, max(1, count // 8), dtype=np.uint64)[rng.integers(0, max(1, count // 8), count)]
    for _ in range(flips):
        codes ^= np.uint64(1) << rng.integers(0, 64, count).astype(np.uint64)
    return codes


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.bitwise_count(one[:, None] ^ other)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10), st.sampled_from([1, 50, 10**3, 10**5, 10**7]), st.integers(0, 10**6))
def test_no_pair_is_missed_and_none_invented(distance: int, rows: int, seed: int) -> None:
    asked, held = clustered(40, seed), clustered(40, seed)[::-1] ^ np.uint64(5)
    parts = parts_for(distance, rows)
    if sum(part.around(asked[:1])[0].size for part in parts) > 50_000:
        return  # too slow for a test
    left, right = near_codes(asked, held, index_parts(held, parts), parts, distance)
    expected = set(zip(*map(np.ndarray.tolist, np.nonzero(distances(asked, held) <= distance)), strict=True))
    assert set(zip(left.tolist(), right.tolist(), strict=True)) == expected


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 8), st.lists(st.integers(0, 60), min_size=1, max_size=12), st.integers(0, 10**6))
def test_a_memory_admits_what_comparing_all_would(distance: int, calls: list[int], seed: int) -> None:
    codes, novelty, held = clustered(sum(calls), seed), NearCodes(distance), []
    for start, count in zip(np.cumsum([0, *calls[:-1]]), calls, strict=True):
        expected = []
        for code in codes[start : start + count]:
            expected.append(not any(int(code ^ other).bit_count() <= distance for other in held))
            held += [code] if expected[-1] else []
        assert novelty.admit(codes[start : start + count]).tolist() == expected
    assert len(novelty) == len(held)


def test_small_blocks_admit_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = clustered(500, 3)
    whole = NearCodes(4).admit(codes)
    monkeypatch.setattr(hamming, "_BLOCK", 7)
    monkeypatch.setattr(hamming, "_QUERIES_AT_ONCE", 5)
    np.testing.assert_array_equal(NearCodes(4).admit(codes), whole)


def test_many_codes_are_admitted() -> None:
    codes = np.random.default_rng(0).integers(0, 2**64, 40_000, dtype=np.uint64)
    novelty = NearCodes(4)
    assert all(novelty.admit(codes[first : first + 250]).all() for first in range(0, len(codes), 250))
