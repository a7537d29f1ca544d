"""How a flow reaches its server: one on this machine is asked directly, whatever proxy the network needs."""

import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import pytest

from flows import server
from flows.server import LOOPBACK, bypass_proxies, served_flow


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def address():
    with HTTPServer(("127.0.0.1", 0), Answer) as answering:
        Thread(target=answering.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{answering.server_port}"
        answering.shutdown()


@pytest.fixture
def dead_proxy(monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.usefixtures("dead_proxy")
def test_a_server_of_this_machine_is_asked_without_a_proxy(address):
    with pytest.raises(httpx.HTTPError):
        httpx.get(address)
    bypass_proxies()
    assert httpx.get(address).status_code == 204
    bypass_proxies()
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == ",".join(LOOPBACK)


@pytest.mark.usefixtures("dead_proxy")
@pytest.mark.parametrize(
    ("before", "after"), [("intra.net, ::1", "intra.net,::1,127.0.0.1,localhost"), ("*", "*"), ("a,*", "a,*")]
)
def test_what_a_user_set_stays(monkeypatch, before, after):
    monkeypatch.setenv("NO_PROXY", before)
    bypass_proxies()
    assert os.environ["NO_PROXY"] == after


@pytest.mark.usefixtures("dead_proxy")
def test_a_flow_sets_it_before_it_starts_its_server(monkeypatch):
    class StartedError(Exception):
        pass

    def start(**_):
        raise StartedError(os.environ.get("NO_PROXY"))

    monkeypatch.setattr(server, "get_client", start)
    with pytest.raises(StartedError, match=r"127\.0\.0\.1"):
        served_flow("a-flow")(lambda: None)()
