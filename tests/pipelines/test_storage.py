"""Folders: whole files or none, on a local disk and on an object store."""

import pyarrow as pa
import pytest

from pipelines.storage import Folder
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


def test_arrow_files_are_mapped_and_a_cut_one_is_noticed(tmp_path):
    folder = Folder(str(tmp_path))
    folder.write_arrow("t.arrow", pa.table({"a": range(1000)}))
    assert folder.read_arrow("t.arrow")["a"].to_pylist() == list(range(1000))
    whole = folder.read("t.arrow")
    (tmp_path / "cut.arrow").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(pa.ArrowInvalid):
        folder.read_arrow("cut.arrow")


def test_a_place_that_may_not_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises((OutputError, OSError)):
        Folder(str(tmp_path / "file")).write("x", b"")


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
