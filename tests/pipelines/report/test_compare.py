"""Real and made values of a column are compared as scipy compares them."""

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from pipelines.report.compare import gap, mix, pair, wasserstein
from tests.pipelines.report.test_report import make_data


def test_the_same_class_mix_on_both_sides() -> None:
    data = make_data({"a": 100, "b": 20, "c": 50}, {"b": 80, "c": 10})
    weights = mix(data)
    names = np.array(data.real.column("_stratum").to_pylist())
    assert weights.strata == ["b", "c"]
    assert weights.real[names == "a"].sum() == 0
    assert weights.real[names == "b"].sum() == pytest.approx(80 / 90)
    assert weights.synthetic[:80].sum() == pytest.approx(80 / 90)
    assert weights.before[names == "a"].sum() == pytest.approx(100 / 170)
    assert weights.after.sum() == pytest.approx(1)


def test_distances_agree_with_scipy() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 30, 500).astype(float), rng.integers(3, 40, 400).astype(float)
    even = [np.full(len(side), 1 / len(side)) for side in (a, b)]
    assert gap("number", a, even[0], b, even[1]) == pytest.approx(stats.ks_2samp(a, b).statistic)
    assert wasserstein(a, even[0], b, even[1]) == pytest.approx(stats.wasserstein_distance(a, b) / a.std())
    doubled = np.concatenate([a, a])
    assert gap("number", doubled, np.full(1000, 1 / 1000), a, even[0]) == pytest.approx(0, abs=1e-12)


def test_total_variation_counts_nulls_as_a_category() -> None:
    a = pa.chunked_array([["x", "x", "y", None]])
    b = pa.chunked_array([["x", "z", "z", None]])
    both = pair("c", a, b)
    assert both is not None
    quarter = np.full(4, 0.25)
    assert gap(both.kind, both.real, quarter, both.synthetic, quarter) == pytest.approx(0.5)
