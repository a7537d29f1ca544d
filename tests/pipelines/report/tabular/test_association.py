"""How columns hang together: 0 where they do not, 1 where one says the other."""

import numpy as np
import pytest

from pipelines.report.tabular.association import correlation_ratio, cramers_v


def test_associations_of_known_columns() -> None:
    codes = np.repeat([0.0, 1.0, 2.0], 50)
    assert cramers_v(codes, (codes + 1) % 3) == pytest.approx(1)
    assert cramers_v(codes, np.tile([0.0, 1.0, 2.0], 50)) == pytest.approx(0, abs=0.02)
    assert np.isnan(cramers_v(codes, np.zeros(150)))
    assert correlation_ratio(codes, codes * 10) == pytest.approx(1)
    assert correlation_ratio(codes, np.tile([1.0, 2.0], 75)) == pytest.approx(0)
    assert np.isnan(correlation_ratio(codes, np.ones(150)))
