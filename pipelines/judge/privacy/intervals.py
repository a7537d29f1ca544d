"""95% intervals: how far a figure may be from the truth by chance. Knows numbers alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Z = 1.959964
"""Standard deviations on either side of the mean that cover 95% of a normal distribution."""


@dataclass(frozen=True)
class Estimate:
    """A value, and the ends of its interval."""

    value: float
    low: float
    high: float


def auc(higher: Floats, lower: Floats) -> Estimate:
    """Return how often a value of `higher` is above one of `lower`, ties counting half: the area under the ROC curve.

    The interval is that of DeLong, DeLong and Clarke-Pearson (1988), by ranks (Sun and Xu 2014).
    """
    from scipy.stats import rankdata

    m, n = len(higher), len(lower)
    both = rankdata(np.concatenate([higher, lower]))
    above = (both[:m] - rankdata(higher)) / n
    below = 1 - (both[m:] - rankdata(lower)) / m
    value = float(above.mean())
    variance = sum(float(part.var(ddof=1)) / len(part) for part in (above, below) if len(part) > 1)
    return _normal_interval(value, variance, 0, 1)


def share(count: int, of: int) -> Estimate:
    """Return a share with the exact interval of Clopper and Pearson (1934)."""
    from scipy.stats import beta

    low = float(beta.ppf(0.025, count, of - count + 1)) if count else 0.0
    high = float(beta.ppf(0.975, count + 1, of - count)) if count < of else 1.0
    return Estimate(count / of, low, high)


def excess(part: tuple[int, int], control: tuple[int, int]) -> Estimate:
    """Return how much one share exceeds another, each given as (count, of).

    The interval is Newcombe's (1998, method 10).

    >>> round(excess((30, 100), (10, 100)).value, 6)
    0.2
    """
    (a, a_low, a_high), (b, b_low, b_high) = _wilson(*part), _wilson(*control)
    value = a - b
    return Estimate(value, value - np.hypot(a - a_low, b_high - b), value + np.hypot(a_high - a, b - b_low))


def _wilson(count: int, of: int) -> tuple[float, float, float]:
    p, z = count / of, Z * Z / of
    middle, half = p + z / 2, Z * np.sqrt(p * (1 - p) / of + z / of / 4)
    return p, float((middle - half) / (1 + z)), float((middle + half) / (1 + z))


def proportion(part: Floats, rest: Floats) -> Estimate:
    """Return the mean of `part` divided by the sum of both means; the interval covers chance in the choice of rows."""
    a, b = float(part.mean()), float(rest.mean())
    if a + b == 0:
        return Estimate(0.5, 0, 1)
    spread = b * b * _variance_of_mean(part) + a * a * _variance_of_mean(rest)
    return _normal_interval(a / (a + b), spread / (a + b) ** 4, 0, 1)


def ratio_excess(part: tuple[Floats, Floats], control: tuple[Floats, Floats]) -> Estimate:
    """Return how much the ratio of two sums exceeds that of the control (by the delta method).

    Each is two numbers a row: how many there are, and how many of those count.
    """
    (value, variance), (other, more) = _ratio(*part), _ratio(*control)
    return _normal_interval(value - other, variance + more, -1, 1)


def _ratio(have: Floats, seen: Floats) -> tuple[float, float]:
    total = float(have.sum())
    if total == 0:
        return 0.0, 0.0
    value = float(seen.sum()) / total
    return value, float(((seen - value * have) ** 2).sum()) / total**2


def _variance_of_mean(values: Floats) -> float:
    """Return the variance of the mean of the values."""
    return float(values.var(ddof=1)) / len(values) if len(values) > 1 else 0.0


def _normal_interval(value: float, variance: float, least: float, most: float) -> Estimate:
    half = Z * float(np.sqrt(variance))
    return Estimate(value, max(least, value - half), min(most, value + half))
