"""Links of the page lead to the builds, wherever page and builds lie."""

import pytest

from pipelines.report.site.page import link


@pytest.mark.parametrize(
    ("build", "out", "leads_to"),
    [
        ("/out/a b/c#?", "/out", "a%20b/c%23%3F/report.html"),
        ("/out/javascript:alert(1)", "/out", "javascript%3Aalert%281%29/report.html"),
        ("/out", "/out", "report.html"),
        ("/other/a", "/out", "file:///other/a/report.html"),
        ("/outer/a", "/out", "file:///outer/a/report.html"),
        ("s3://b/data/a?region=x", "s3://b/data?region=x", "a/report.html"),
        ("s3://b/data/a", "s3://b/pages/site", "../../data/a/report.html"),
        ("s3://***@b/data/a?region=x", "/out", "s3://***@b/data/a/report.html"),
        ("s3://b/data/a", "s3://c/data", "s3://b/data/a/report.html"),
        ("/out/a", "s3://b/data", "file:///out/a/report.html"),
        ("s3://b/data/a%20%23", "s3://c/data", "s3://b/data/a%20%23/report.html"),
        ("s3://b/data/a%20%23", "s3://b/data", "a%20%23/report.html"),
    ],
)
def test_links(build, out, leads_to):
    assert link(build, "report.html", out) == leads_to
