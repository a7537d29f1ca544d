"""Membership inference: an attack that guesses, from made rows, whether the model learnt from a given real row.

The attacker knows the made rows and other real rows like the given one, and guesses that a row was learnt if made rows
are closer to it than real ones: GAN-Leaks, calibrated (Chen et al. 2020, arXiv:1909.03935), or DOMIAS with densities by
the nearest neighbour (van Breugel et al. 2023, arXiv:2302.12580). The true positives at few false ones show whether it
is sure of some rows, which the mean over all hides (Carlini et al. 2022, arXiv:2112.03570). A better attack may find
more.
"""

import numpy as np
from numpy.typing import NDArray

from pipelines.judge.privacy.intervals import Estimate, Z, share

Floats = NDArray[np.float64]

FALSE_POSITIVES = 0.01
_DIGITS = 9


def scores(to_made: Floats, to_real: Floats) -> Floats:
    """Return a score of each real row to have been learnt, 0 to 1, from its distances to made and other real rows.

    >>> scores(np.array([0.0, 3.0]), np.array([1.0, 1.0]))
    array([1.  , 0.25])
    """
    both = to_made + to_real
    ratio = np.divide(to_real, both, out=np.full(len(both), 0.5), where=both > 0)
    return np.asarray(np.round(ratio, _DIGITS))  # what differs by less is equal


def true_positives(learnt: Floats, held_out: Floats) -> Estimate | None:
    """Return the share of learnt rows that the attack finds while it is wrong about 1% of all others.

    The threshold is the held-out score above which 1% of all others are expected; None if there are too few for that.
    The chance in the threshold is part of the interval, by the slope of the ROC curve there.
    """
    rank = int(FALSE_POSITIVES * (len(held_out) + 1))
    if rank == 0:
        return None
    ranked = np.concatenate([np.sort(held_out)[::-1], [-np.inf]])
    hits = share(int((learnt > ranked[rank - 1]).sum()), len(learnt))
    above, below = (float((learnt > threshold).mean()) for threshold in (ranked[0], ranked[2 * rank]))
    slope = (below - above) / (2 * rank / len(held_out))
    threshold_error = Z * slope * np.sqrt(FALSE_POSITIVES * (1 - FALSE_POSITIVES) / len(held_out))
    low, high = (
        hits.value - np.hypot(hits.value - hits.low, threshold_error),
        hits.value + np.hypot(hits.high - hits.value, threshold_error),
    )
    return Estimate(hits.value, max(0.0, low), min(1.0, high))
