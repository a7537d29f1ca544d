"""Folders: whole files or none, on a local disk and on an object store."""

import os

import pytest

from pipelines.storage.folder import Folder
from schemas.errors import OutputError
from schemas.secrets import redacted


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
