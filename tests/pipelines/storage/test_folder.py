"""Folders: whole files or none, on a local disk and on an object store."""

import os
import subprocess
import sys

import pytest
from pyarrow import fs

from pipelines.storage.folder import Folder
from schemas.errors import OutputError
from schemas.secrets import redacted
from tests.conftest import ROOT
from tests.waiting import LIMIT


def test_a_failed_write_leaves_nothing(tmp_path):
    folder = Folder(str(tmp_path))
    with pytest.raises(RuntimeError), folder.writing("a/b.txt") as sink:
        sink.write(b"half")
        raise RuntimeError
    assert folder.files() == []
    folder.write("a/b.txt", b"whole")
    assert [info.base_name for info in folder.files()] == ["b.txt"]
    assert folder.read("a/b.txt") == b"whole"


def test_filling_replaces_a_folder_whole_or_not_at_all(tmp_path):
    folder = Folder(str(tmp_path / "model"))
    with folder.filling() as path:
        (path / "old").write_text("1")
    with pytest.raises(RuntimeError), folder.filling() as path:
        (path / "new").write_text("2")
        raise RuntimeError
    assert [info.base_name for info in folder.files()] == ["old"]
    with folder.filling() as path:
        (path / "new").write_text("2")
    assert [info.base_name for info in folder.files()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_what_killed_writes_left_is_swept_away(tmp_path):
    folder = Folder(str(tmp_path))
    folder.write("a.txt", b"whole")
    (tmp_path / "a.txt.0123abcd.tmp").write_bytes(b"ha")
    (tmp_path / "tmpx.tmp").mkdir()
    (tmp_path / "tmpx.tmp" / "rows").write_bytes(b"ha")
    folder.sweep()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    Folder(str(tmp_path / "none")).sweep()


@pytest.mark.parametrize("path", ["{}#v2", "{}?v2", "{}/#", "{}/a#b/c"])
def test_a_uri_of_which_a_part_would_be_lost_is_opened_by_nothing(tmp_path, path):
    (tmp_path / "thesis.txt").write_text("years of work")
    folder = Folder(path.format(f"file://{tmp_path}"))
    for do in (folder.names, folder.remove, folder.at("x").remove, lambda: folder.write("x", b"")):
        with pytest.raises(OutputError, match=r"cannot be opened: holds '[#?]', and of a.* URI all that follows"):
            do()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("path", ["file:///", "file:///.", "file:///tmp/..", "file:////", "s3://?region=r"])
def test_a_uri_of_a_whole_filesystem_or_of_none_is_opened_by_nothing(path):
    for do in (Folder(path).names, lambda: Folder(path).inner("x"), lambda: Folder(path).exists("x")):
        with pytest.raises(OutputError, match="cannot be opened: names (no folder|a whole)"):
            do()


def test_nothing_is_removed_that_is_not_below_the_folder_it_was_named_from(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    (tmp_path / "other.txt").write_text("years of work")
    out = Folder(str(tmp_path / "out"))
    for do in (
        lambda: out.remove("../other.txt"),
        lambda: out.remove("."),
        lambda: out.at("..").remove(),
        lambda: out.at("a/../../out").remove(),
        lambda: out.at(".").remove(),
    ):
        with pytest.raises(OutputError, match="what was to be removed is not below it, and stays as it is; check"):
            do()
    monkeypatch.setattr("pipelines.storage.folder.resolve", lambda _: (fs.LocalFileSystem(), str(tmp_path / "out")))
    with pytest.raises(OutputError, match="not below it"):
        Folder("file:///out").at("work").remove()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["other.txt", "out", "thesis.txt"]


@pytest.mark.parametrize(
    "name", ["my data", "50%25", "a#b", "#", "?", "a?b=c", "é", "a&b+c", "%", "a\\b", "[x]", 'a"b']
)
def test_a_folder_below_a_uri_may_have_any_name(tmp_path, name):
    folder = Folder(f"file://{tmp_path}").at(name)
    folder.write("f", b"1")
    folder.at(f"below {name}").write("f", b"2")
    assert (tmp_path / name / "f").read_bytes() == b"1"
    assert (tmp_path / name / f"below {name}" / "f").read_bytes() == b"2"
    folder.remove()
    assert list(tmp_path.iterdir()) == []


HUB = """
from pipelines.plan.planning import make_plan
from pipelines.storage.folder import Folder
from schemas.errors import MakeweightError
from schemas.spec import Spec, parse

place = "hf://datasets/some/thing"
spec = {"name": "t", "source": {"path": f"{place}/t.csv", "label": "y"}, "output": {"path": "out"}}
folder = Folder(place)
for do in (lambda: make_plan(parse(Spec, spec)), folder.names, folder.info, lambda: folder.read("x")):
    try:
        do()
    except MakeweightError as error:
        print(error)
"""


def test_a_hub_that_does_not_answer_is_told_in_one_sentence():
    nobody = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0", "PYTHONPATH": str(ROOT)}
    answer = subprocess.run([sys.executable, "-c", HUB], capture_output=True, text=True, env=nobody, timeout=LIMIT)
    assert (answer.returncode, answer.stderr) == (0, "")
    source, *others = answer.stdout.splitlines()
    assert source.startswith("hf://datasets/some/thing/t.csv: cannot be read: NETWORK_CONNECTION: ")
    assert source.endswith("; the store cannot be reached, or is busy: run the same command again")
    assert len(others) == 3
    assert all(one.startswith("hf://datasets/some/thing: cannot be reached: NETWORK_CONNECTION: ") for one in others)


@pytest.fixture
def disk_calls(monkeypatch):
    """What is done to the disk, in order: files and folders that are synced, and names that are given."""
    calls, replace, sync = [], os.replace, os.fsync

    def note_sync(descriptor):
        calls.append(("sync", os.readlink(f"/proc/self/fd/{descriptor}")))
        sync(descriptor)

    def note_replace(old, new):
        replace(old, new)
        calls.append(("name", new))

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_replace)
    return calls


def test_a_write_is_on_the_disk_before_its_name_and_its_name_before_it_returns(tmp_path, disk_calls):
    for write in ("write", "write_sealed"):
        getattr(Folder(str(tmp_path)), write)(f"{write}/below/f", b"1")
        place = f"{tmp_path}/{write}"
        data = next(path for what, path in disk_calls if path.startswith(f"{place}/below/f."))
        assert disk_calls == [
            ("sync", str(tmp_path)),
            ("sync", place),
            ("sync", data),
            ("name", f"{place}/below/f"),
            ("sync", f"{place}/below"),
        ]
        disk_calls.clear()


def test_a_folder_that_is_filled_is_on_the_disk_before_its_name(tmp_path, disk_calls):
    with Folder(str(tmp_path / "model")).filling() as path:
        (path / "below").mkdir()
        for name in ("a", "below/b"):
            (path / name).write_text(name)
    named = disk_calls.index(("name", f"{tmp_path}/model"))
    assert {path for _, path in disk_calls[:named]} == {str(path), f"{path}/a", f"{path}/below", f"{path}/below/b"}
    assert disk_calls[named + 1 :] == [("sync", str(tmp_path))]


def test_a_place_that_may_not_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises((OutputError, OSError)):
        Folder(str(tmp_path / "file")).write("x", b"")


def test_the_folder_that_lies_in_a_files_place_is_named_and_not_what_would_go_there(tmp_path):
    folder = Folder(str(tmp_path))
    (tmp_path / "card.md").mkdir()
    folder.write("work/card.md", b"a card")
    told = rf"^{tmp_path}: a folder lies where a file belongs \({tmp_path}/card\.md\); move it elsewhere"
    with pytest.raises(OutputError, match=told):
        folder.at("work").move("card.md", folder)
    with pytest.raises(OutputError, match=told):
        folder.write("card.md", b"a card")
    assert (tmp_path / "work" / "card.md").read_bytes() == b"a card"


def test_folders_below_a_uri_keep_its_options():
    below = Folder("s3://key:secret@bucket/out?region=eu").at("data")
    assert below.path == "s3://key:secret@bucket/out/data?region=eu"
    assert below.shown == "s3://***@bucket/out/data?region=eu"
    assert "secret" not in redacted(below.path)


def test_a_name_that_leads_out_of_the_folder_is_not_copied(monkeypatch):
    monkeypatch.setattr(Folder, "names", lambda _: ["good", "a/../../../home/.profile"])
    told = r"^mock:///out: holds 'a/\.\./.*', which leads out of the folder; remove it$"
    with pytest.raises(OutputError, match=told), Folder("mock:///out").local_copy():
        pass
