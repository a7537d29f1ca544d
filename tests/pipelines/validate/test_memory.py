import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.validate.memory import _INSTEAD_OF_ZERO, FingerprintSet, Slots

_FEW = st.integers(0, 40)
_ANY = st.integers(0, 2**64 - 1).filter(lambda key: key != _INSTEAD_OF_ZERO)  # which 0 is taken for, as is documented
_SAME_HOME = st.integers(0, 3000).map(lambda k: k * pow(0x9E3779B97F4A7C15, -1, 2**64) % 2**64)


@given(st.lists(st.lists(_FEW | _ANY | _SAME_HOME, max_size=60), max_size=30))
def test_a_fingerprint_set_admits_what_a_set_would(calls: list[list[int]]) -> None:
    held: set[int] = set()
    novelty = FingerprintSet()
    for call in calls:
        expected = []
        for value in call:
            expected.append(value not in held)
            held.add(value)
        assert novelty.admit(np.array(call, np.uint64)).tolist() == expected
    assert len(novelty) == len(held)


def test_keys_that_crowd_one_place_are_found_also_round_the_table_s_end() -> None:
    inverse = pow(0x9E3779B97F4A7C15, -1, 2**64)
    crowd = np.array([(2**64 - 1 - k) * inverse % 2**64 for k in range(5000)], np.uint64)
    novelty = FingerprintSet()
    assert novelty.admit(crowd).all()
    assert not novelty.admit(crowd[::-1].copy()).any()


def test_growing_says_where_each_key_went() -> None:
    slots = Slots()
    keys = np.random.default_rng(0).integers(1, 2**64, 600, dtype=np.uint64)
    before, new = slots.insert(keys)
    moved = slots.reserve(100_000)
    assert new.all()
    assert moved is not None
    np.testing.assert_array_equal(moved[before], slots.find(keys))
    np.testing.assert_array_equal(slots.keys[slots.find(keys)], keys)
    assert slots.find(np.array([12345], np.uint64)).tolist() == [-1]


def test_two_million_fingerprints_take_less_than_48_megabytes() -> None:
    novelty = FingerprintSet()
    fingerprints = np.random.default_rng(0).integers(0, 2**64, 2_000_000, dtype=np.uint64)
    for start in range(0, len(fingerprints), 50_000):
        assert novelty.admit(fingerprints[start : start + 50_000]).all()
    assert novelty._slots.keys.nbytes < 48e6
