"""The pages that tests of the report look at: of a table, and of marked images."""

import pytest

from pipelines.report import ReportData, render_report
from tests.pipelines.report.image.test_section import boxed_data
from tests.pipelines.report.test_report import Page, make_data


@pytest.fixture(scope="module")
def html(data: ReportData) -> str:
    return render_report(data)


@pytest.fixture(scope="module")
def boxed() -> ReportData:
    return boxed_data()


@pytest.fixture(scope="module")
def boxed_html(boxed: ReportData) -> str:
    return render_report(boxed)


@pytest.fixture(scope="module")
def boxed_page(boxed_html: str) -> Page:
    return Page(boxed_html)


@pytest.fixture(scope="module")
def data() -> ReportData:
    return make_data()


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)
