"""A dataset that is encrypted at rest: nothing of it can be read without the key, all of it with the key."""

import csv
import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.build import build
from pipelines.dataset.verify import verify
from pipelines.storage.encryption import read_key
from schemas.errors import SpecError

pytestmark = pytest.mark.usefixtures("in_process")


KEY, NAME = bytes(range(32)), "MAKEWEIGHT_TEST_KEY"


SENTINEL = "sentinel-of-the-source"


@pytest.fixture
def secret_source(tmp_path):
    """A table with a text that would be seen anywhere."""
    path = tmp_path / "secret.csv"
    with path.open("w", newline="") as file:
        rows = [(f"{SENTINEL}-{n % 7}", n * 1.5, "ab"[n % 3 == 0]) for n in range(90)]
        csv.writer(file).writerows([("word", "x", "label"), *rows])
    return path


@pytest.fixture
def encrypted(make_spec, secret_source):
    """Return a spec of that table which is encrypted."""

    def make(name="built", **output):
        path = make_spec(name).output.path
        source = {"path": str(secret_source), "label": "label"}
        return make_spec(name, source=source, output={"path": path, "shard_rows": 40, **output})

    return lambda name="built": make(name, encryption_key_env=NAME), make


@pytest.mark.parametrize(("text", "told"), [(None, "is not set"), ("hunter2", "has no key in it (7 characters)")])
def test_a_missing_or_malformed_key_is_refused_before_anything_is_read(monkeypatch, encrypted, text, told):
    monkeypatch.delenv(NAME, raising=False)
    if text:
        monkeypatch.setenv(NAME, text)
    spec, _ = encrypted
    with pytest.raises(SpecError) as caught:
        build(spec())
    message = str(caught.value)
    assert f"output.encryption_key_env: the environment variable '{NAME}' {told}; it must hold 16, 24 or 32" in message
    assert "hunter2" not in message
    assert not Path(spec().output.path).exists()


def test_nothing_is_read_without_the_key_and_everything_with_it(monkeypatch, encrypted):
    monkeypatch.setenv(NAME, KEY.hex())
    spec, make = encrypted
    manifest = build(spec())
    plain = build(make("plain"))
    assert manifest.content_hash == plain.content_hash
    assert [shard.rows for shard in manifest.shards] == [shard.rows for shard in plain.shards]
    for path in Path(spec().output.path).rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert SENTINEL.encode() not in data, path
        assert KEY.hex().encode() not in data, path
        assert KEY not in data, path
    shard = os.path.join(spec().output.path, manifest.shards[0].path)
    with pytest.raises(OSError, match="encrypted"):
        pq.read_table(shard)
    words = pq.read_table(shard, decryption_properties=read_key(NAME).decryption())["word"].to_pylist()
    assert all(word.startswith(SENTINEL) for word in words)
    assert verify(spec().output.path).problems == []
    assert build(spec()) == manifest, "a complete build is found again"
    again = build(spec("again"))
    assert again.content_hash == manifest.content_hash
    assert again.shards != manifest.shards, "each file has its own random numbers"


def test_another_key_does_not_open_it(monkeypatch, encrypted):
    monkeypatch.setenv(NAME, KEY.hex())
    spec, _ = encrypted
    build(spec())
    monkeypatch.setenv(NAME, KEY[::-1].hex())
    problems = verify(spec().output.path).problems
    assert f"is no Parquet file any more, or {NAME} holds another key than it was written with" in problems[0]
    monkeypatch.delenv(NAME)
    with pytest.raises(SpecError, match="is not set"):
        verify(spec().output.path)


def test_the_name_of_the_variable_is_kept_and_no_more(encrypted):
    spec, _ = encrypted
    assert json.loads(spec().model_dump_json())["output"]["encryption_key_env"] == NAME
