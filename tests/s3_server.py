"""An S3 server on this machine, in a thread of the test's process."""

import threading
from itertools import count
from uuid import uuid4

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

SLOW_DOWN = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


class Store:
    """A real S3 server on this machine, which can be made busy, and can go away and come back with all that it held."""

    def __init__(self):
        self._app = DomainDispatcherApplication(create_backend_app)
        self._numbers = count()
        self.requests = []
        self.busy_every = 0
        self.refused = 0
        self.port = 0
        self.bucket = f"store-{uuid4().hex}"  # the server keeps its buckets for as long as the process lives
        self._server = None

    def __call__(self, environ, start_response):
        self.requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"]))
        if self.busy_every and next(self._numbers) % self.busy_every == 0:
            self.refused += 1
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("503 Slow Down", [("Content-Type", "application/xml")])
            return [SLOW_DOWN]
        return self._app(environ, start_response)

    def come(self):
        self._server = make_server("127.0.0.1", self.port, self, threaded=True)
        self.port = self._server.port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def go(self):
        if self._server:
            self._server.shutdown()
            self._server.server_close()
        self._server = None

    def uri(self, path):
        return (
            f"s3://key:hush@{self.bucket}/{path}?endpoint_override=127.0.0.1:{self.port}&scheme=http&region=us-east-1"
        )

    @property
    def client(self):
        keys = {"aws_access_key_id": "key", "aws_secret_access_key": "hush"}
        return boto3.client("s3", endpoint_url=f"http://127.0.0.1:{self.port}", region_name="us-east-1", **keys)
