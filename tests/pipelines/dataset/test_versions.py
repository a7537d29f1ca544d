"""A series: its pointer names the newest version, and no user's file is in its way."""

import json

import pytest

from pipelines.dataset.verify import verify
from tests.pipelines.dataset.test_companions import MINE
from tests.pipelines.dataset.test_ownership import refused


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("latest.json", '{"app": "3.1"}'),
        ("latest.json", '{"version": "v00001"}'),
        ("README.md", MINE),
        ("index.html", MINE),
    ],
)
def test_a_users_files_where_a_series_shall_be_are_refused_before_any_work(build, make_spec, out, name, text):
    out.mkdir()
    (out / name).write_text(text)
    refused(build, make_spec(versions={"keep": 2}), f"is not empty .it holds '{name}'.; move that elsewhere", out)
    assert not (out / ".makeweight").exists()


def test_the_page_over_all_builds_is_in_no_series_way(build, make_spec, out):
    out.mkdir()
    (out / "index.html").write_text('<html><meta name="generator" content="makeweight site"></html>')
    assert build(make_spec(versions={"keep": 2})).version == 1


@pytest.mark.parametrize("text", ["{}", '{"version": "v00009"}', '{"version": "v00001"}', "", None])
def test_a_pointer_that_is_broken_or_gone_is_written_anew_by_the_same_command(build, make_spec, out, text):
    build(make_spec(versions={"keep": 3}))
    build(make_spec(48, versions={"keep": 3}))
    pointer = out / "latest.json"
    pointer.write_text(text) if text is not None else pointer.unlink()
    if text == '{"version": "v00001"}':
        assert verify(str(out)).problems == ["latest.json names v00001; v00002 is the newest"]
    assert build(make_spec(48, versions={"keep": 3})).version == 2
    assert json.loads(pointer.read_text()) == {"version": "v00002"}
    assert verify(str(out)).problems == []
    pointer.write_text(text) if text is not None else pointer.unlink()
    assert build(make_spec(56, versions={"keep": 3})).version == 3, "nor does it block the next version"
    assert verify(str(out)).problems == []
