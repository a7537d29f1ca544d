"""Measures whether two sets of points cover the same region, by the manifold of each set.

A set's manifold is the union of balls around its points that reach to the k-th nearest point of the same set
(Kynkäänniemi et al. 2019, arXiv:1904.06991: precision and recall; Naeem et al. 2020, arXiv:2002.09797: density and
coverage, which bear outliers better).
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NEAREST = 5


def manifold_figures(real: Floats, made: Floats, nearest: int = NEAREST) -> dict[str, float]:
    """Return precision, recall, density and coverage of points (rows, features); both sets have more than `nearest`.

    The best value of all is 1 (density may be larger). Precision is the share of made points in the real manifold,
    recall the share of real points in the made manifold, density the mean number of real balls around a made point
    divided by `nearest`, and coverage the share of real balls with a made point inside.
    """
    from sklearn.metrics import pairwise_distances

    apart = pairwise_distances(real, made)
    in_real = apart <= _reach(real, nearest)[:, None]
    in_made = apart <= _reach(made, nearest)[None, :]
    return {
        "Precision": float(in_real.any(axis=0).mean()),
        "Recall": float(in_made.any(axis=1).mean()),
        "Density": float(in_real.sum(axis=0).mean() / nearest),
        "Coverage": float(in_real.any(axis=1).mean()),
    }


def _reach(points: Floats, nearest: int) -> Floats:
    """Return each point's distance to its k-th nearest other point."""
    from sklearn.neighbors import NearestNeighbors

    distances, _ = NearestNeighbors(n_neighbors=nearest).fit(points).kneighbors()
    return np.asarray(distances[:, -1], np.float64)
