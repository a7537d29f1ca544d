"""Compares one number per row of real and made rows: plot, distance, typical values. Knows no modality."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from pipelines.report.compare import Floats, bins, drop_missing, gap, halves, moments
from pipelines.report.plots import histogram_plot
from pipelines.report.wording import figure


@dataclass(frozen=True)
class Measure:
    """One measure, real against synthetic: its plot, distance, distance by chance, and typical values."""

    name: str
    plot: Markup
    distance: float | None
    chance: float | None
    typical: tuple[str, str]
    remark: str


def compare_numbers(
    name: str, sides: tuple[Floats, Floats], weights: tuple[Floats, Floats], remark: str = ""
) -> Measure:
    """Compare the numbers of (real, synthetic) rows under their weights; each side has some that are not NaN."""
    a, a_weights = drop_missing(sides[0], weights[0])
    b, b_weights = drop_missing(sides[1], weights[1])
    edges, tails = bins(np.concatenate([a, b]), np.concatenate([a_weights, b_weights]))
    shares = [
        np.histogram(np.clip(v, edges[0], edges[-1]), bins=edges, weights=w)[0].astype(np.float64)
        for v, w in ((a, a_weights), (b, b_weights))
    ]
    left, right = halves(weights[0])
    return Measure(
        name=name,
        plot=histogram_plot(edges, shares[0], shares[1], name[:1].lower() + name[1:], False),
        distance=gap("number", a, a_weights, b, b_weights),
        chance=gap("number", sides[0], left, sides[0], right),
        typical=(_describe_spread(a, a_weights), _describe_spread(b, b_weights)),
        remark=" · ".join(part for part in (remark, tails) if part),
    )


def _describe_spread(values: Floats, weights: Floats) -> str:
    mean, deviation = moments(values, weights)
    return f"{figure(mean)} ± {figure(deviation)}"
