"""The page is whole: well-formed, readable by machines, and in need of nothing else."""

import re

from tests.pipelines.report.test_report import Page


def test_the_page_is_well_formed_and_readable_by_machines(page: Page) -> None:
    assert page.open == []
    assert page.tags.count("h1") == 1
    assert len(set(page.values("id"))) == len(page.values("id")), "ids must be unique over all plots"
    described = [value for tag, name, value in page.attributes if tag == "svg" and name == "aria-label" and value]
    assert page.tags.count("svg") == page.values("role").count("img") == len(described)


def test_the_page_needs_nothing_else(html: str, page: Page) -> None:
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert [tag for tag, name, value in page.attributes if name == "src"] == []
    assert all(v.startswith(("#", "data:image/png;base64,")) for v in page.values("href") + page.values("xlink:href"))
    assert "default-src 'none'" in html
    assert not re.search(r"url\((?!#)|@import", html)
