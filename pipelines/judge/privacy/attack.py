"""Membership inference: an attack that tells, from made rows, whether the model learnt from a given real row.

The attacker knows the made rows and other real rows like the given one, and takes for learnt what made rows are closer
to than real ones: GAN-Leaks, calibrated (Chen et al. 2020, arXiv:1909.03935), or DOMIAS with densities by the nearest
neighbour (van Breugel et al. 2023, arXiv:2302.12580). True positives at few false ones tell whether it is sure of some
rows, which the mean over all hides (Carlini et al. 2022, arXiv:2112.03570). A better attack may find more.
"""

import numpy as np
from numpy.typing import NDArray

from pipelines.judge.privacy.intervals import Estimate, Z, share

Floats = NDArray[np.float64]

FALSE_POSITIVES = 0.01
_DIGITS = 9


def scores(to_made: Floats, to_real: Floats) -> Floats:
    """Return how likely each real row was learnt, 0 to 1: by its distances to made rows, and to other real ones."""
    both = to_made + to_real
    ratio = np.divide(to_real, both, out=np.full(len(both), 0.5), where=both > 0)
    return np.asarray(np.round(ratio, _DIGITS))  # what differs by less is equal


def true_positives(learnt: Floats, held_out: Floats) -> Estimate | None:
    """Return the share of learnt rows that the attack finds while it is wrong about 1% of all others.

    The threshold is the held-out score above which 1% of all others are expected; nothing where there are too few for
    that. That it is off by chance is in the interval, by how steep the ROC curve is there.
    """
    rank = int(FALSE_POSITIVES * (len(held_out) + 1))
    if rank == 0:
        return None
    ranked = np.concatenate([np.sort(held_out)[::-1], [-np.inf]])
    found = share(int((learnt > ranked[rank - 1]).sum()), len(learnt))
    above, below = (float((learnt > threshold).mean()) for threshold in (ranked[0], ranked[2 * rank]))
    slope = (below - above) / (2 * rank / len(held_out))
    off = Z * slope * np.sqrt(FALSE_POSITIVES * (1 - FALSE_POSITIVES) / len(held_out))
    low, high = (
        found.value - np.hypot(found.value - found.low, off),
        found.value + np.hypot(found.high - found.value, off),
    )
    return Estimate(found.value, max(0.0, low), min(1.0, high))
