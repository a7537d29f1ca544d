"""Builds are found below a folder, each in its state; nothing else is taken for one."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict

import pytest

from pipelines.dataset.builds import find_builds
from pipelines.plan.planning import make_plan
from pipelines.report.site.rows import make_groups
from pipelines.storage.lock import RECORD, lock_output, read_writer
from pipelines.storage.workspace import HIDDEN, make_workspace
from schemas.errors import OutputError
from schemas.manifest import MANIFEST
from tests.machine import s3_bucket
from tests.pipelines.report.test_card import make_manifest


@pytest.fixture
def plan(tmp_path_factory):
    from schemas.spec import Spec, parse

    place = tmp_path_factory.mktemp("source")
    (place / "t.csv").write_text("a,b,y\n" + "".join(f"{n},{n % 7},{'x' if n % 5 else 'z'}\n" for n in range(200)))
    source = {"path": str(place / "t.csv"), "label": "y"}
    return make_plan(parse(Spec, {"name": "t", "source": source, "output": {"path": str(place / "out")}}))


def published(folder, **changes):
    manifest = make_manifest(**changes)
    (folder / "data").mkdir(parents=True)
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    for shard in manifest.shards:
        (folder / shard.path).write_bytes(b"1" * shard.bytes)


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
    assert build.published == pytest.approx((tmp_path / "b" / "deep" / "manifest.json").stat().st_mtime, abs=1e-5)
    with pytest.raises(OutputError, match="there is no such folder"):
        find_builds(str(tmp_path / "none"))


NAMES = ["my data", "50%25", "a#b", "#", "?x=1", "é", "a&b+c", "%"]


def test_builds_below_a_uri_are_found_whatever_their_folders_are_called(tmp_path):
    for name in NAMES:
        published(tmp_path / name / "v 1", name="one")
    builds = find_builds(f"file://{tmp_path}")
    assert {build.state for build in builds} == {"complete"}
    assert {build.folder.inner() for build in builds} == {f"{tmp_path}/{name}/v 1" for name in NAMES}
    for build in builds:
        assert [one.state for one in find_builds(build.path)] == ["complete"], "what is shown can be given"
    assert {row.build.folder.inner() for [row] in make_groups(builds)} == {f"{tmp_path}/{name}/v 1" for name in NAMES}


def test_nor_do_names_in_a_bucket_mean_anything_else(tmp_path):
    published(tmp_path / "one", name="one")
    with s3_bucket("hush") as (uri, client):
        for name in NAMES:
            for path in (file for file in (tmp_path / "one").rglob("*") if file.is_file()):
                key = f"sets/{name}/{path.relative_to(tmp_path / 'one')}"
                client.put_object(Bucket="data", Key=key, Body=path.read_bytes())
        builds = find_builds(uri.format("sets"))
    assert [build.state for build in builds] == ["complete"] * len(NAMES)
    assert {build.folder.inner() for build in builds} == {f"data/sets/{name}" for name in NAMES}


def test_a_build_that_lost_a_shard_or_a_part_of_one_is_damaged(tmp_path):
    shards = [shard.path for shard in make_manifest().shards]
    for name in ("lost", "cut", "gone"):
        published(tmp_path / name)
    (tmp_path / "lost" / shards[1]).unlink()
    (tmp_path / "cut" / shards[2]).write_bytes(b"")
    for shard in shards:
        (tmp_path / "gone" / shard).unlink()
    (tmp_path / "gone" / "data").rmdir()
    cut, gone, lost = find_builds(str(tmp_path))
    advice = "; put it back, or remove the dataset and build it again"
    assert {build.state for build in (cut, gone, lost)} == {"damaged"}
    assert lost.detail == f"'{shards[1]}' is missing{advice}"
    assert cut.detail == f"'{shards[2]}' has 0 bytes, not 1{advice}"
    assert gone.detail == f"'{shards[0]}' is missing, and 2 more{advice}"
    assert lost.manifest.rows == 49440, "what was published there is still told"


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
    place = make_workspace(str(tmp_path / "new"), plan)
    published(tmp_path / "again")
    with lock_output(place), lock_output(make_workspace(str(tmp_path / "again"), plan)):
        place.keep_plan(plan)
        assert found(tmp_path) == [("again", "under way"), ("new", "under way")]
        again, new = find_builds(str(tmp_path))
        assert (new.writer.pid, new.manifest) == (os.getpid(), None)
        assert again.manifest.rows == 49440, "what is there meanwhile"
    assert found(tmp_path) == [("again", "complete"), ("new", "unfinished")]


def test_locks_of_the_dead(tmp_path, plan):
    place = make_workspace(str(tmp_path / "dead"), plan)
    with lock_output(place):
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
    place = make_workspace(str(tmp_path / "out"), plan)
    place.keep_plan(plan)
    assert "goes on" in find_builds(str(tmp_path))[0].detail
    monkeypatch.setattr("pipelines.storage.workspace.library_versions", lambda: {"python": "2.7"})
    [build] = find_builds(str(tmp_path))
    assert (build.state, build.detail) == ("other version", "begun with other versions; the same build starts anew")
    monkeypatch.undo()
    place.work.write_sealed("plan.json", b'{"of": "another version"}')
    assert found(tmp_path) == [("out", "other version")]
    place.work.remove()
    assert found(tmp_path) == [("out", "unfinished")]


def test_versions_are_found_beside_what_the_next_one_needs(tmp_path, plan):
    series = tmp_path / "series"
    for version in ("v00001", "v00002"):
        published(series / version)
    (series / HIDDEN / "models" / "m").mkdir(parents=True)
    assert found(tmp_path) == [("series/v00001", "complete"), ("series/v00002", "complete")]
    place = make_workspace(str(series), plan.model_copy(update={"version": 3}))
    with lock_output(place):
        place.keep_plan(plan.model_copy(update={"version": 3}))
        assert found(tmp_path)[0] == ("series", "under way")
        assert len(found(tmp_path)) == 3
    assert found(tmp_path)[0] == ("series", "unfinished")
