"""Builds are found below a folder, each in its state; nothing else is taken for one."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict

import pytest

from pipelines.builds import find_builds
from pipelines.lock import RECORD, one_writer, read_writer
from pipelines.plan import make_plan
from pipelines.workspace import HIDDEN, workspace
from schemas.errors import OutputError
from schemas.manifest import MANIFEST
from tests.pipelines.test_card import make_manifest


@pytest.fixture
def plan(tmp_path_factory):
    from schemas.spec import Spec, parse

    place = tmp_path_factory.mktemp("source")
    (place / "t.csv").write_text("a,b,y\n" + "".join(f"{n},{n % 7},{'x' if n % 5 else 'z'}\n" for n in range(200)))
    source = {"path": str(place / "t.csv"), "label": "y"}
    return make_plan(parse(Spec, {"name": "t", "source": source, "output": {"path": str(place / "out")}}))


def published(folder, **changes):
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text(make_manifest(**changes).model_dump_json())


def found(folder):
    return [(os.path.relpath(build.path, folder), build.state) for build in find_builds(str(folder))]


def test_complete_builds_at_any_depth(tmp_path):
    published(tmp_path / "b" / "deep", name="one")
    published(tmp_path / "a", name="two")
    published(tmp_path / "a" / "data", name="not looked into")
    published(tmp_path / ".hidden" / "c")
    os.mkdir(os.fsencode(tmp_path) + b"/\xff no text")
    (tmp_path / "link").symlink_to(tmp_path / "b")
    assert found(tmp_path) == [("a", "complete"), ("b/deep", "complete")]
    assert found(tmp_path / "a") == [(".", "complete")]
    build = find_builds(str(tmp_path))[1]
    assert (build.manifest.name, build.manifest.rows, build.bytes) == ("one", 49440, 3)
    assert abs(build.published - time.time()) < 60
    with pytest.raises(OutputError, match="there is no such folder"):
        find_builds(str(tmp_path / "none"))


def test_a_manifest_of_something_else_is_none(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / MANIFEST).write_text('{"name": "web", "icons": []}')
    published(tmp_path / "site" / "inner")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / MANIFEST).write_text("[1")
    assert found(tmp_path) == [("site/inner", "complete")]


def test_a_manifest_of_another_format(tmp_path):
    newer = make_manifest().model_dump() | {"format": 99, "more": 1}
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / MANIFEST).write_text(json.dumps(newer))
    [build] = find_builds(str(tmp_path))
    assert (build.state, build.manifest) == ("other version", None)
    assert build.detail == "its manifest has format 99, this version reads 1"


def test_a_build_under_way_and_its_end(tmp_path, plan):
    place = workspace(str(tmp_path / "new"), plan)
    published(tmp_path / "again")
    with one_writer(place), one_writer(workspace(str(tmp_path / "again"), plan)):
        place.keep_plan(plan)
        assert found(tmp_path) == [("again", "under way"), ("new", "under way")]
        again, new = find_builds(str(tmp_path))
        assert (new.writer.pid, new.manifest) == (os.getpid(), None)
        assert again.manifest.rows == 49440, "what is there meanwhile"
    assert found(tmp_path) == [("again", "complete"), ("new", "unfinished")]


def test_locks_of_the_dead(tmp_path, plan):
    place = workspace(str(tmp_path / "dead"), plan)
    with one_writer(place):
        place.keep_plan(plan)
        writer = asdict(read_writer(place.hidden))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    record = tmp_path / "dead" / HIDDEN / RECORD
    for changes, state in [
        ({"pid": gone.pid}, "unfinished"),
        ({"host": "elsewhere"}, "under way"),
        ({"host": "elsewhere", "seen": time.time() - 100}, "unfinished"),
    ]:
        record.write_text(json.dumps(writer | changes))
        assert found(tmp_path) == [("dead", state)], changes


def test_work_of_other_versions_is_not_gone_on_with(tmp_path, plan, monkeypatch):
    place = workspace(str(tmp_path / "out"), plan)
    place.keep_plan(plan)
    assert "goes on" in find_builds(str(tmp_path))[0].detail
    monkeypatch.setattr("pipelines.workspace.library_versions", lambda: {"python": "2.7"})
    [build] = find_builds(str(tmp_path))
    assert (build.state, build.detail) == ("other version", "begun with other versions; the same build starts anew")
    monkeypatch.undo()
    place.work.write("plan.json", b'{"of": "another version"}')
    assert found(tmp_path) == [("out", "other version")]
    place.work.remove()
    assert found(tmp_path) == [("out", "unfinished")]
