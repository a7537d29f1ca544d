"""What is written is on the disk before anybody goes on: files, names, and all below a folder."""

import errno
import os
import stat

import pytest

from pipelines.storage import disk


@pytest.fixture
def synced(monkeypatch):
    """Note what is synced, as the name of a file or folder."""
    found = []

    def fsync(descriptor):
        found.append(os.readlink(f"/proc/self/fd/{descriptor}"))

    monkeypatch.setattr(disk.os, "fsync", fsync)
    return found


def test_all_below_a_folder_is_synced_a_folder_after_its_files(tmp_path, synced):
    (tmp_path / "in").mkdir()
    for name in ("a", "in/b"):
        (tmp_path / name).touch()
    disk.sync_below(str(tmp_path))
    assert sorted(synced) == sorted(
        str(path) for path in (tmp_path, tmp_path / "a", tmp_path / "in", tmp_path / "in/b")
    )
    assert synced.index(str(tmp_path / "a")) < synced.index(str(tmp_path))


def test_each_folder_that_is_made_is_named_on_the_disk(tmp_path, synced):
    disk.make_folder(str(tmp_path / "x" / "y"))
    assert stat.S_ISDIR(os.stat(tmp_path / "x" / "y").st_mode)
    assert synced == [str(tmp_path), str(tmp_path / "x")]
    disk.make_folder(str(tmp_path / "x"))
    assert len(synced) == 2, "nothing is to be done for one that is there"


@pytest.mark.parametrize(("number", "raises"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True)])
def test_a_filesystem_that_cannot_sync_names_is_no_fault_and_a_broken_disk_is_one(
    tmp_path, monkeypatch, number, raises
):
    def fails(_descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(disk.os, "fsync", fails)
    if not raises:
        disk.sync_folder(str(tmp_path))
        return
    with pytest.raises(OSError, match=os.strerror(number)):
        disk.sync_folder(str(tmp_path))


def test_a_place_that_takes_no_folder_is_a_refusal():
    with pytest.raises(PermissionError, match="no folder can be made there"):
        disk.make_folder("/proc/x")
