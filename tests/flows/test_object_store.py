"""Source and output on an S3 server that is slow, busy, or away for a while: what a user sees, and nothing is lost."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flows.build import build
from pipelines.dataset.publish import read_manifest
from pipelines.dataset.verify import verify
from pipelines.plan.planning import make_plan
from pipelines.storage.filesystem import resolve_uri
from pipelines.storage.folder import Folder
from schemas.errors import OutputError, SourceError
from tests.s3_server import Store

pytestmark = pytest.mark.slow


@pytest.fixture
def store():
    """A store with an empty bucket."""
    made = Store()
    made.come()
    made.client.create_bucket(Bucket=made.bucket)
    yield made
    made.busy_every = 0
    made.go()


@pytest.fixture
def impatient(monkeypatch):
    """Ask a store that is away three times only; in this process, not in Ray's."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "3")
    resolve_uri.cache_clear()
    yield
    resolve_uri.cache_clear()


def test_a_large_file_is_uploaded_in_parts_and_shows_itself_when_it_is_whole(store):
    folder = Folder(store.uri("out"))
    data = os.urandom(25 << 20)
    folder.write("large.bin", data)
    parts = [query for method, path, query in store.requests if method == "PUT" and "partNumber" in query]
    assert len(parts) >= 3
    assert folder.read("large.bin") == data


def test_an_upload_that_is_given_up_leaves_nothing(store):
    folder = Folder(store.uri("out"))
    with pytest.raises(RuntimeError, match="changed my mind"), folder.writing("half.bin") as sink:
        sink.write(os.urandom(12 << 20))
        raise RuntimeError("changed my mind")
    assert folder.names() == []


def test_a_store_that_throttles_is_asked_again(store):
    folder = Folder(store.uri("out"))
    store.busy_every = 4
    data = os.urandom(12 << 20)
    folder.write("large.bin", data)
    assert folder.read("large.bin") == data
    assert folder.names() == ["large.bin"]
    assert store.refused >= 2


def test_a_store_that_is_away_is_told_without_its_credentials(store, impatient):
    folder = Folder(store.uri("out"))
    folder.write("a", b"1")
    store.go()
    for attempt in (
        lambda: folder.read("a"),
        lambda: folder.write("b", b"2"),
        folder.names,
        lambda: folder.exists("a"),
    ):
        with pytest.raises(OutputError, match="cannot be reached: .*; run the same command again") as caught:
            attempt()
        assert "hush" not in str(caught.value)
    store.come()
    assert folder.read("a") == b"1"


def test_a_source_that_is_away_is_told(store, impatient, make_spec):
    spec = make_spec(source={"path": store.uri("payments.csv"), "label": "label"})
    store.go()
    with pytest.raises(SourceError, match="the store cannot be reached, or is busy: run the same command again"):
        make_plan(spec)


def on(store, source, make_spec):
    """Return the spec of a build from that store to itself."""
    store.client.put_object(Bucket=store.bucket, Key="payments.csv", Body=source.read_bytes())
    return make_spec(
        source={"path": store.uri("payments.csv"), "label": "label"},
        generator={"name": "smote", "actors": 2, "chunk_rows": 40},
        output={"path": store.uri("out"), "shard_rows": 200},
    )


@pytest.mark.slow
@pytest.mark.usefixtures("engine")
def test_a_build_endures_throttling_and_a_store_that_is_gone_for_seconds(store, source, make_spec):
    spec = on(store, source, make_spec)
    store.busy_every = 20

    def leave():
        while not any("staged" in path for _, path, _ in store.requests):
            time.sleep(0.05)
        store.go()
        time.sleep(3)
        store.come()

    thread = threading.Thread(target=leave)
    thread.start()
    manifest = build(spec)
    thread.join()
    assert store.refused >= 2
    assert manifest.content_hash == build(make_spec("calm", generator={"name": "smote", "chunk_rows": 40})).content_hash
    assert verify(spec.output.path).problems == []


@pytest.mark.slow
@pytest.mark.usefixtures("engine")
def test_a_build_whose_store_stays_away_says_so_and_the_same_command_finishes(store, source, make_spec, tmp_path):
    spec = on(store, source, make_spec)

    def leave():
        while not any("staged" in path for _, path, _ in store.requests):
            time.sleep(0.05)
        store.go()

    (tmp_path / "spec.yaml").write_text(json.dumps(spec.model_dump(by_alias=True)))
    command = [sys.executable, "-m", "flows.cli", "build", str(tmp_path / "spec.yaml")]
    env = os.environ | {"AWS_MAX_ATTEMPTS": "4"}
    thread = threading.Thread(target=leave)
    thread.start()
    first = subprocess.run(command, cwd=Path(__file__).parents[2], env=env, capture_output=True, text=True, timeout=600)
    thread.join()
    assert first.returncode == 2, first.stderr
    assert re.search("cannot be reached: .*; run the same command again, finished work is kept", first.stderr)
    assert "Traceback" not in first.stderr
    assert "hush" not in first.stdout + first.stderr
    store.come()
    assert read_manifest(Folder(spec.output.path)) is None, "no manifest, no dataset"
    assert build(spec).content_hash
    assert verify(spec.output.path).problems == []
