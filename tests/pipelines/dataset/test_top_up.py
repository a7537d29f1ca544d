"""Real rows keep their numbers from version to version, wherever new ones come in."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.dataset.top_up import match_rows

VALUES = st.lists(st.integers(0, 5), max_size=30)


def hashes(values):
    return np.array(values, np.uint64)


@given(VALUES, VALUES, st.randoms(use_true_random=False))
def test_every_known_row_keeps_its_number_and_new_ones_get_the_next(known, new, random):
    numbers = np.arange(len(known)) * 3
    now = known + new
    random.shuffle(now)
    found, gone = match_rows(hashes(known), numbers, hashes(now), 1000)
    assert gone == 0
    assert len(set(found.tolist())) == len(now)
    value_of = dict(zip(numbers.tolist(), known, strict=True))
    kept = [(number, value) for number, value in zip(found.tolist(), now, strict=True) if number < 1000]
    assert len(kept) == len(known)
    assert all(value_of[number] == value for number, value in kept)
    assert [number for number in found.tolist() if number >= 1000] == list(range(1000, 1000 + len(new)))


@given(VALUES, VALUES)
def test_rows_that_are_gone_are_counted(known, now):
    _, gone = match_rows(hashes(known), np.arange(len(known)), hashes(now), len(known))
    assert gone == sum((Counter(known) - Counter(now)).values())


def test_a_source_that_only_grew_at_its_end_keeps_the_positions():
    found, gone = match_rows(hashes([7, 7, 9]), np.arange(3), hashes([7, 7, 9, 7, 1]), 3)
    assert (found.tolist(), gone) == ([0, 1, 2, 3, 4], 0)
