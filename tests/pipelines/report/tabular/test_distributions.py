"""Distributions of columns: bins, nulls beside words, and no more than can be looked at."""

import numpy as np
import pyarrow as pa
import pytest

from pipelines.report import ReportData, render_report
from pipelines.report.tabular.distributions import bins
from pipelines.report.wording import cell
from tests.pipelines.report.test_report import Page, make_data, make_manifest, with_reason


def test_nulls_and_empty_texts_are_told_from_words() -> None:
    assert cell(None).text == "null"
    assert cell(None).look == cell(float("nan")).look == "none"
    assert cell("null").look == ""
    assert cell("").text == "empty text"
    assert cell("").look == "none"


@pytest.mark.parametrize(
    "values",
    [[3.0], [1e300, -1e300], [1e15, 1e15 + 1], [0.1] * 5, [-5.0, 5.0], [0.0] * 990 + [1e9] * 3, [1e-320, 2e-320]],
)
def test_bins_are_rising_and_hold_something(values: list[float]) -> None:
    array = np.array(values)
    edges, _ = bins(array, np.full(len(array), 1 / len(array)))
    assert (np.diff(edges) > 0).all()
    assert len(edges) <= 33
    assert np.isfinite(edges).all()


def test_synthetic_rows_without_real_ones_of_their_class() -> None:
    data = make_data({"a": 50, "b": 80}, {"b": 30})
    only = ReportData(data.manifest, data.real.slice(0, 50), data.synthetic, data.rejected.slice(0, 0), {}, [])
    assert "no real rows of the classes that got synthetic rows" in Page(render_report(only)).words


def test_many_columns_are_capped_and_it_is_said() -> None:
    rng = np.random.default_rng(0)
    columns = {f"c{k}": pa.array(rng.normal(size=60)) for k in range(200)}
    real = pa.table({**columns, "_stratum": ["a"] * 60})
    html = render_report(ReportData(make_manifest(real, {"a": (60, 60, 60)}), real, real, with_reason(real), {}, []))
    words = Page(html).words
    assert "Plotted are the 36 of 200 columns that differ most." in words
    assert "past the first 25" in words
    assert "160 more columns" in words
    assert len(html) < 1_500_000
