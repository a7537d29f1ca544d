"""Whether a place can be written is asked without leaving anything there."""

from pipelines.storage.writable import why_unwritable


def test_what_was_asked_is_left_as_it_was(tmp_path):
    assert why_unwritable(str(tmp_path / "a" / "b")) is None
    assert not any(tmp_path.iterdir())
    (tmp_path / "file").touch()
    assert why_unwritable(str(tmp_path / "c" / ("n" * 300) / "d")) == "File name too long"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
