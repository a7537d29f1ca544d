"""`endpoint` against a real OpenAI-compatible server: the serving command of transformers, with a tiny model."""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pyarrow as pa
import pytest

from generators.text.endpoint import Endpoint
from schemas.errors import GeneratorError
from schemas.plan import SampleRequest
from tests.tiny_models import tiny_causal
from tests.waiting import wait_until

TABLE = pa.table({"text": ["free cash now", "call home", "see you later"], "label": ["spam", "ham", "ham"]})
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The server's address and the model's folder."""
    folder = Path(tiny_causal(256))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": TEMPLATE}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "transformers"), "serve", "--host", "127.0.0.1", "--port", str(port)]
    log = tmp_path_factory.mktemp("served") / "log"
    with log.open("wb") as stream:
        server = subprocess.Popen(command, stdout=stream, stderr=stream, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    try:
        _await(f"http://127.0.0.1:{port}/health", server, log)
        yield f"http://127.0.0.1:{port}/v1", str(folder)
    finally:
        server.terminate()
        server.wait(20)


def _await(url, server, log):
    def answers():
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 our own server
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    wait_until(answers, server, saw=lambda: log.read_text()[-2000:])


def fitted(served, tmp_path, **params):
    url, folder = served
    defaults = {"output": "text", "rows_per_call": 1, "examples": 1, "prompt": "{examples}", "max_tokens": 8}
    params = {"base_url": url, "model": folder, "cache": str(tmp_path), "concurrency": 4, **defaults, **params}
    generator = Endpoint(Endpoint.Params(**params))
    generator.fit(TABLE, "label", 1)
    return generator


def test_rows_from_a_real_server_come_again_without_it(served, tmp_path, monkeypatch):
    request = SampleRequest(stratum="ham", chunk=0, rows=6, seed=2**63)
    made = fitted(served, tmp_path).sample(request)
    assert made.num_rows == 6
    assert all(text.strip() for text in made["text"].to_pylist())
    monkeypatch.setattr("openai.AsyncOpenAI.__init__", lambda _, **__: None)  # no client, no call
    monkeypatch.setattr("openai.AsyncOpenAI.__aenter__", _itself)
    monkeypatch.setattr("openai.AsyncOpenAI.__aexit__", _itself)
    assert fitted(served, tmp_path).sample(request).equals(made)


async def _itself(self, *_):
    return self


def test_seed_decides_the_answers_of_a_real_server(served, tmp_path):
    request = SampleRequest(stratum="ham", chunk=0, rows=3, seed=7)
    first, again = (fitted(served, tmp_path / name, concurrency=1).sample(request) for name in "ab")
    assert first.equals(again)


def test_model_that_a_real_server_does_not_have_is_named(served, tmp_path):
    with pytest.raises(GeneratorError, match=served[0]):
        fitted(served, tmp_path, model="nobody/nothing", retries=0).sample(
            SampleRequest(stratum="ham", chunk=0, rows=1, seed=7)
        )
