"""Sealed files: a byte that changed anywhere is noticed."""

import os
import pickle

import pyarrow as pa
import pytest

from pipelines.storage import sealed_file
from pipelines.storage.folder import Folder
from schemas.errors import DamageError


def arrow_file(folder):
    folder.write_arrow("some/t.arrow", pa.table({"a": range(1000), "b": ["x"] * 1000}))
    assert folder.read_arrow("some/t.arrow")["a"].to_pylist() == list(range(1000))
    return folder.read("some/t.arrow")


def test_a_byte_that_was_changed_anywhere_in_a_sealed_file_is_noticed(tmp_path):
    folder = Folder(str(tmp_path))
    whole = arrow_file(folder)
    for place in [*range(0, len(whole), 97), *range(len(whole) - 50, len(whole))]:
        put(tmp_path / "some" / "t.arrow", flipped(whole, place))
        with pytest.raises(DamageError, match="some/t.arrow is damaged: its bytes are not those that were written; r"):
            folder.read_arrow("some/t.arrow")
        assert not folder.is_whole("some/t.arrow")
    put(tmp_path / "some" / "t.arrow", whole)
    assert folder.read_arrow("some/t.arrow").num_rows == 1000


def put(path, data):
    """Write a file whose time of change is another one than before, however fast the test is."""
    before = path.stat().st_mtime_ns
    path.write_bytes(data)
    os.utime(path, ns=(before + 10**9, before + 10**9))


def flipped(data, place):
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def test_a_sealed_file_that_was_cut_emptied_removed_or_put_in_anothers_place_is_noticed(tmp_path):
    folder = Folder(str(tmp_path))
    whole = arrow_file(folder)
    for size in (0, 1, 40, 41, 42, len(whole) // 2, len(whole) - 1):
        put(tmp_path / "some" / "t.arrow", whole[:size])
        with pytest.raises(DamageError, match="is damaged"):
            folder.read_arrow("some/t.arrow")
    (tmp_path / "some" / "other.arrow").write_bytes(whole)
    with pytest.raises(DamageError, match="some/other.arrow is damaged"):
        folder.read_arrow("some/other.arrow")
    (tmp_path / "some" / "t.arrow").unlink()
    with pytest.raises(DamageError, match="some/t.arrow is gone; run the same command again, and it is made") as found:
        folder.read_sealed("some/t.arrow")
    across = pickle.loads(pickle.dumps(found.value))  # noqa: S301 as Ray hands it from a task to the driver
    assert (across.path, across.gone, str(across)) == (f"{tmp_path}/some/t.arrow", True, str(found.value))


def test_a_sealed_file_is_hashed_once_in_a_process_as_long_as_it_does_not_change(tmp_path, monkeypatch):
    folder, hashed = Folder(str(tmp_path)), []
    folder.write_sealed("a", b"1")
    monkeypatch.setattr(sealed_file, "is_sealed", lambda name, _: hashed.append(name) or True)
    assert [folder.read_sealed("a") for _ in range(3)] == [b"1"] * 3
    assert hashed == ["a"]
    folder.write_sealed("a", b"2")
    folder.read_sealed("a")
    assert hashed == ["a", "a"]
