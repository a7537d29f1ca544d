"""A build from a chat endpoint that is killed in the middle: finished by a second run, and no answer paid twice."""

import json
import os
import random
import signal
import subprocess
import sys

import pytest

from pipelines.dataset.publish import read_manifest
from pipelines.dataset.verify import verify
from pipelines.storage.folder import Folder
from tests.chat_server import ChatServer, Reply
from tests.conftest import ROOT
from tests.waiting import LIMIT, wait_until

WORDS = [f"word{n}" for n in range(400)]
IN_FLIGHT = 32
"""Calls that one actor has under way at a time; so many may have been lost with the kill."""


def answer(number, body):
    """Fail one call in ten; give eight distinct texts otherwise, after 200 ms."""
    if number % 10 == 0:
        return Reply(status=500, delay=0.2)
    rng = random.Random(body["seed"])
    rows = [" ".join(rng.choices(WORDS, k=10)) for _ in range(8)]
    return Reply(json.dumps({"rows": rows}), delay=0.2)


def start(spec, cache):
    environment = os.environ | {"MAKEWEIGHT_CACHE": str(cache), "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "hush-hush"}
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "build", str(spec)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def write_spec(place, url, out):
    rng = random.Random(0)
    rows = [{"text": " ".join(rng.choices(WORDS, k=10)), "label": "b" if n % 50 else "a"} for n in range(1020)]
    (place / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = {
        "name": "t",
        "source": {"path": "t.jsonl", "label": "label", "text": "text"},
        "generator": {"name": "endpoint", "actors": 1, "params": {"base_url": url, "model": "m"}},
        "validate": ["duplicates"],
        "output": {"path": out},
    }
    path = place / f"{out}.yaml"
    path.write_text(json.dumps(spec))
    return path


@pytest.mark.slow
def test_a_killed_build_is_finished_without_paying_twice(tmp_path):
    server = ChatServer(answer)
    with server.running():
        spec = write_spec(tmp_path, server.url, "out")
        killed = start(spec, tmp_path / "cache")
        wait_until(lambda: server.calls >= 60, killed, saw=lambda: f"{server.calls} calls")
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
        before = server.calls
        second = start(spec, tmp_path / "cache")
        told, _ = second.communicate(timeout=LIMIT)
        assert second.returncode == 0, told

        manifest = read_manifest(Folder(str(tmp_path / "out")))
        assert {c.real + c.synthetic for c in manifest.counts.values()} == {999}
        assert verify(str(tmp_path / "out")).problems == []
        assert server.most >= 30, "at least 30 calls in flight"
        asked = [json.dumps(body, sort_keys=True) for body in server.bodies]
        failed = len(asked) // 10
        assert before >= 60
        assert len(asked) - len(set(asked)) <= failed + IN_FLIGHT, (
            "only failed calls, or those lost in flight, come again"
        )

        calls = server.calls
        again = start(write_spec(tmp_path, server.url, "again"), tmp_path / "cache")
        assert again.wait(timeout=LIMIT) == 0
        assert server.calls == calls, "a second build makes no call"
        assert read_manifest(Folder(str(tmp_path / "again"))).content_hash == manifest.content_hash
    for file in (tmp_path / "out").rglob("*"):
        assert not file.is_file() or b"hush-hush" not in file.read_bytes(), "the key is written nowhere"
