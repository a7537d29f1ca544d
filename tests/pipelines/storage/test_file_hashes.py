"""The hash of a large file is kept until the file changes."""

from pipelines.storage import file_hashes
from pipelines.storage.file_hashes import hash_contents


def test_the_hash_of_a_large_file_is_kept_until_the_file_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(file_hashes, "LARGE", 10)
    monkeypatch.setattr(file_hashes, "_cache_file", lambda: tmp_path / "kept" / "hashes.json")
    read = []
    monkeypatch.setattr(
        file_hashes, "_sha256", lambda file, plain=file_hashes._sha256: (read.append(file), plain(file))[1]
    )
    path = tmp_path / "weights"
    path.write_bytes(b"0" * 20)
    first = hash_contents(str(path))
    assert hash_contents(str(path)) == first
    assert len(read) == 1
    path.write_bytes(b"0" * 19 + b"1")
    assert hash_contents(str(path)) != first
    (tmp_path / "kept" / "hashes.json").write_text("no JSON")
    assert hash_contents(str(path)) != first
