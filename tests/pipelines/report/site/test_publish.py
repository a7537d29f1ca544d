"""The page is written beside what is there, and over nothing that is not ours."""

import pytest

from pipelines.report.site import write_site
from pipelines.storage.workspace import HIDDEN
from schemas.errors import OutputError
from tests.pipelines.dataset.test_builds import published
from tests.pipelines.report.site.test_page import page_of


def test_a_folder_without_builds_gets_a_page_that_says_so(tmp_path):
    page = page_of(tmp_path)
    assert "There are no builds here yet" in page
    assert "<table" not in page


def test_what_is_not_ours_is_left(tmp_path):
    (tmp_path / "index.html").write_text("<title>my page</title>")
    with pytest.raises(OutputError, match=r"index.html was not written by makeweight, and is left as it is; .*--out"):
        write_site([str(tmp_path)])
    assert (tmp_path / "index.html").read_text() == "<title>my page</title>"
    out = tmp_path / "new" / "deep"
    write_site([str(tmp_path)], str(out))
    assert write_site([str(tmp_path)], str(out)).page == str(out / "index.html"), "our own is written anew"
    assert [path.name for path in out.iterdir()] == ["index.html"]


def test_where_no_page_can_be(tmp_path):
    published(tmp_path / "a")
    (tmp_path / "begun" / HIDDEN).mkdir(parents=True)
    (tmp_path / "file").write_text("")
    for place in ("a", "begun"):
        with pytest.raises(OutputError, match="is a dataset itself, and nothing is added to it; name a folder"):
            write_site([str(tmp_path / place)])
    with pytest.raises(OutputError, match="builds of 2 folders, but no place for the page; name a folder by --out"):
        write_site([str(tmp_path), str(tmp_path / "a")])
    with pytest.raises(OutputError, match="file is a file; name a folder by --out"):
        write_site([str(tmp_path)], str(tmp_path / "file"))
    with pytest.raises(OutputError, match="there is no such folder"):
        write_site([str(tmp_path / "none")])
    assert write_site([str(tmp_path), str(tmp_path / "a")], str(tmp_path / "page")).builds == 2, "each is told once"
