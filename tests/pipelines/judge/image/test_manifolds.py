"""Precision and recall on manifolds of points made by hand."""

import numpy as np

from pipelines.judge.image.manifolds import manifold_figures


def test_manifolds_of_points_made_by_hand():
    real = np.array([[0.0], [1.0], [2.0], [10.0]])  # with one neighbour they reach 1, 1, 1 and 8
    made = np.array([[0.5], [0.6], [5.0], [30.0]])  # these 0.1, 0.1, 4.4 and 25
    found = manifold_figures(real, made, nearest=1)
    # 0.5 and 0.6 lie in the balls of 0 and 1, 5 in that of 10, 30 in none
    assert found["Precision"] == 3 / 4
    # 0 lies in no made ball but is 30 away from 30; 1, 2 and 10 lie in those of 5
    assert found["Recall"] == 3 / 4
    assert found["Density"] == (2 + 2 + 1 + 0) / 4
    assert found["Coverage"] == 3 / 4  # the ball of 2 holds none
    same = manifold_figures(real, real, nearest=1)
    assert (same["Precision"], same["Recall"], same["Coverage"]) == (1, 1, 1)
