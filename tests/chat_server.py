"""A small OpenAI-compatible chat server on the loopback interface that misbehaves as it is told."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What the server does with one call."""

    content: str | None = None
    status: int = 200
    message: str = "boom"
    finish: str = "stop"
    refusal: str | None = None
    cut: bool = False
    delay: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    usage: dict[str, int] | None = field(default_factory=lambda: {"prompt_tokens": 100, "completion_tokens": 50})
    raw: bytes | None = None
    code: str | None = None


def rows_for(body: dict[str, Any], count: int = 8) -> str:
    """Return a reply of `count` texts that follow from the call's seed."""
    return json.dumps({"rows": [f"text {body.get('seed')} number {n} of them all" for n in range(count)]})


class ChatServer:
    """Counts calls, and those in flight; `behave` says what happens to call `number` (from 1)."""

    def __init__(self, behave: Callable[[int, dict[str, Any]], Reply] | None = None) -> None:
        self.behave = behave or (lambda _, body: Reply(rows_for(body)))
        self.calls, self.in_flight, self.most = 0, 0, 0
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.times: list[float] = []
        self.lock = threading.Lock()

    def begin(self, body: dict[str, Any], key: str | None) -> int:
        with self.lock:
            self.calls += 1
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
            self.bodies.append(body)
            self.keys.append(key)
            self.times.append(time.monotonic())
            return self.calls

    def end(self) -> None:
        with self.lock:
            self.in_flight -= 1

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    @contextmanager
    def running(self):
        self.http = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"chat": self}))
        thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            if thread.is_alive():  # without it nobody would answer, and this would wait for ever
                self.http.shutdown()
            self.http.server_close()


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    chat: ChatServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Say nothing."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        number = self.chat.begin(body, self.headers.get("authorization"))
        try:
            reply = self.chat.behave(number, body)
            time.sleep(reply.delay)
        finally:
            self.chat.end()
        if reply.cut:
            self.close_connection = True
            self.connection.close()
            return
        self._send(reply, body)

    def _send(self, reply: Reply, body: dict[str, Any]) -> None:
        data = reply.raw if reply.raw is not None else json.dumps(_payload(reply, body)).encode()
        self.send_response(reply.status)
        for name, value in {"content-type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _payload(reply: Reply, body: dict[str, Any]) -> dict[str, Any]:
    if reply.status != 200:
        return {"error": {"message": reply.message, "type": "error", "code": reply.code}}
    message = {"role": "assistant", "content": reply.content, "refusal": reply.refusal}
    choice = {"index": 0, "message": message, "finish_reason": reply.finish, "logprobs": None}
    made = {"id": "1", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice]}
    if reply.usage:
        made["usage"] = {**reply.usage, "total_tokens": sum(reply.usage.values())}
    return made
