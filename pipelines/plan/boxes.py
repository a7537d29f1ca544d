"""Computes how many images of each content a dataset needs for its boxes to be balanced by class.

An image may hold objects of several classes, so no class can be balanced by itself. Images that hold the same number
of objects of each class have the same content and are one stratum. The plan finds how many images of each stratum bring
every class as near to its target as whole images allow. Knows counts only, no pixels.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.source.object_counts import read_contents

_MOST_STEPS = 10_000


def box_counts(images: Mapping[str, int]) -> dict[str, int]:
    """Return the number of objects of each class, sorted by class; `images` holds the images of each content."""
    counts: Counter[str] = Counter()
    for content, number in images.items():
        for name, objects in read_contents(content).items():
            counts[name] += objects * number
    return dict(sorted(counts.items()))


def plan_images(images: Mapping[str, int], targets: Mapping[str, int], max_copies: int | None = None) -> dict[str, int]:
    """Return how many images of each content bring every class as near to its target as whole images allow.

    `images` holds the real images of each content, `targets` the objects that each class shall have. Real images stay,
    unless they hold a class that already has too many objects. At most `max_copies` rows are made of one real image.
    The plan minimises the largest deviation of a class from its target, then the sum of all deviations, both relative
    to the target; among equal plans it takes the one with the fewest copies of a single image. A linear programme
    (HiGHS, Huangfu and Hall 2018, by scipy) is solved, rounded, and improved by one image at a time. The same input
    gives the same plan.
    """
    names, holds, real = _as_arrays(images, targets)
    wanted = np.array([targets[name] for name in names], np.float64)
    too_many = real @ holds > wanted
    least = np.where(holds[:, too_many].any(axis=1), 0, real).astype(np.float64)
    most = np.inf if max_copies is None else real * (1.0 + max_copies)
    relaxed = _spread(holds, real, wanted, least, most)
    numbers = _rounded(relaxed, holds, wanted, least, np.broadcast_to(most, real.shape))
    return dict(zip(images, map(int, numbers), strict=True))


def _as_arrays(
    images: Mapping[str, int], targets: Mapping[str, int]
) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    """Return the classes, the objects per image of each content (rows) and class (columns), and the real images."""
    names = list(targets)
    counted = [read_contents(content) for content in images]
    holds = np.array([[counts.get(name, 0) for name in names] for counts in counted], np.float64)
    return names, holds.reshape(len(images), len(names)), np.array(list(images.values()), np.float64)


def _spread(
    holds: NDArray[np.float64], real: NDArray[np.float64], wanted: NDArray[np.float64], least: Any, most: Any
) -> NDArray[np.float64]:
    """Return fractional images of each content, as near to the targets as possible and then spread most evenly.

    The variables are the images of each content, the relative deviation of each class, the largest of these, and the
    most rows that any real image stands for.
    """
    from scipy.optimize import linprog
    from scipy.sparse import bmat, csr_array

    contents_, classes = holds.shape
    share = csr_array(holds.T / np.maximum(wanted, 1)[:, None])
    each, none = csr_array(np.eye(classes)), None
    ones = csr_array(np.ones((classes, 1)))
    above = [share, -each, none, none]
    below = [-share, -each, none, none]
    under_largest = [none, each, -ones, none]
    under_copies = [csr_array(np.eye(contents_)), none, none, csr_array(-real[:, None])]
    limits = bmat([above, below, under_largest, under_copies], format="csr")
    goal = wanted / np.maximum(wanted, 1)
    right = np.concatenate([goal, -goal, np.zeros(classes + contents_)])
    bounds = [(low, high) for low, high in zip(least, np.broadcast_to(most, least.shape), strict=True)]
    bounds += [(0, None)] * (classes + 2)
    nearness = np.concatenate([np.zeros(contents_), np.full(classes, 1 / classes), [10.0, 0.0]])
    first = linprog(nearness, limits, right, bounds=bounds)
    # the second solution may be less near to the targets by at most a thousandth
    fixed = bmat([[limits], [csr_array(nearness[None])]], format="csr")
    evenness = np.concatenate([np.full(contents_, 1 / max(1.0, real.sum())), np.zeros(classes + 1), [1.0]])
    second = linprog(evenness, fixed, np.append(right, first.fun + 1e-3), bounds=bounds)
    found: NDArray[np.float64] = (second if second.success else first).x[:contents_]
    return found


def _rounded(
    relaxed: NDArray[np.float64], holds: NDArray[np.float64], wanted: NDArray[np.float64], least: Any, most: Any
) -> NDArray[np.int64]:
    """Round to whole images, then add or remove one image at a time while that brings the boxes nearer."""
    scale = np.maximum(wanted, 1)
    numbers = np.clip(np.rint(relaxed), least, most)
    for _ in range(_MOST_STEPS):
        boxes = numbers @ holds
        best, change = _away(boxes, wanted, scale), None
        for step in (1, -1):
            away = _away(boxes + step * holds, wanted, scale)
            away[(numbers + step > most) | (numbers + step < least)] = np.inf
            if away.min(initial=np.inf) < best - 1e-12:
                best, change = float(away.min()), (int(away.argmin()), step)
        if change is None:
            break
        numbers[change[0]] += change[1]
    return numbers.astype(np.int64)


def _away(boxes: NDArray[np.float64], wanted: NDArray[np.float64], scale: NDArray[np.float64]) -> Any:
    """Return the distance of boxes (last axis: classes) from the targets, with the weights of `_spread`."""
    share = np.abs(boxes - wanted) / scale
    return 10 * share.max(axis=-1) + share.mean(axis=-1)
