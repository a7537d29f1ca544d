"""Images of two classes, one of which is made over and over."""

import pytest

from pipelines.report import ReportData
from tests.pipelines.report.image.test_section import images_table, make_data, squares


@pytest.fixture(scope="module")
def data() -> ReportData:
    real = images_table(squares(40, 1) + squares(20, 2), ["many"] * 40 + ["few"] * 20)
    same = [squares(1, 3)[0]] * 30
    made = images_table(same, ["few"] * 30)
    return make_data(real, made, ["label_agreement", "near_duplicates: a copy", "label_agreement"])
