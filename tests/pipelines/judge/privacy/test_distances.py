"""Distances to the closest rows, as brute force finds them."""

import numpy as np
import pytest

from pipelines.judge.privacy.distances import Closest, to_each_other


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(2)
    real, made = rng.random((40, 7), np.float32), rng.random((3000, 7), np.float32)
    made[5] = real[3]
    return real, made


def test_the_closest_rows_are_those_of_brute_force_whatever_the_blocks(points):
    real, made = points
    learnt = np.arange(40) < 20
    paired = np.arange(40) % 20 < 9
    found, other = Closest(real, learnt, paired), Closest(real, learnt, paired)
    found.add(made)
    for start in range(0, 3000, 701):
        other.add(made[start : start + 701])
    apart = np.linalg.norm(real[:, None].astype(float) - made[None].astype(float), axis=2)
    assert found.distance == pytest.approx(apart.min(axis=1), abs=1e-5)
    assert found.distance[3] == 0
    assert np.concatenate(found.to_learnt) == pytest.approx(apart[:9].min(axis=0), abs=1e-5)
    assert np.concatenate(found.to_held_out) == pytest.approx(apart[20:29].min(axis=0), abs=1e-5)
    assert found.closest_of.tolist() == np.bincount(apart.argmin(axis=0), minlength=40).tolist()
    assert found.closest_of.tolist() == other.closest_of.tolist()
    assert found.distance.tolist() == other.distance.tolist()


def test_a_made_row_as_close_to_both_sides_counts_half_for_each():
    real = np.array([[0, 0], [0, 2], [9, 9], [9, 9]], np.float32)
    found = Closest(real, np.array([True, False, True, False]), np.ones(4, bool))
    found.add(np.array([[0, 1], [9, 8]], np.float32))
    assert found.closest_of.tolist() == [0.5, 0.5, 0.5, 0.5]


def test_rows_are_not_compared_with_themselves(points):
    real = np.concatenate([points[0], points[0][:1]])
    apart = np.linalg.norm(real[:, None].astype(float) - real[None].astype(float), axis=2)
    np.fill_diagonal(apart, np.inf)
    assert to_each_other(real) == pytest.approx(apart.min(axis=1), abs=1e-5)
    assert to_each_other(real)[0] == 0
