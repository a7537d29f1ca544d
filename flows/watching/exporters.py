"""Exports metrics to Prometheus: by a port that it scrapes, a file that node_exporter reads, or a Pushgateway.

The port ends with the build. The file and the gateway keep the build's result.
"""

import os
import re
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from prometheus_client import CollectorRegistry, pushadd_to_gateway, start_http_server, write_to_textfile
from prometheus_client.exposition import basic_auth_handler, default_handler
from prometheus_client.parser import text_fd_to_metric_families

from flows.progress import Build
from flows.watching.background import Background
from flows.watching.base import Watcher
from flows.watching.metrics import Metrics
from flows.watching.pace import Pace
from flows.watching.settings import Settings
from generators.base import TrainingProgress
from pipelines.fill.loop import StratumProgress
from schemas.errors import MakeweightError
from schemas.manifest import Manifest
from schemas.plan import Plan

SECONDS = 5.0
"""Seconds between two updates of a file or a gateway."""
PATIENCE = 5.0
"""Seconds that a gateway has to answer."""
SUCCESS = "makeweight_last_success_timestamp_seconds"


class Exporter(Watcher):
    """Keeps a build's metrics, and exports them when they change."""

    def __init__(self) -> None:
        self._metrics, self._registry, self._pace = Metrics(), CollectorRegistry(auto_describe=False), Pace(SECONDS)
        self._registry.register(self._metrics)

    def started(self, build: Build) -> None:
        """Begin to publish."""
        self._metrics.started(build)
        self._open(build)
        self._update()

    def step(self, name: str) -> None:
        """Publish the current step."""
        self._metrics.step(name)
        self._update()

    def trained(self, progress: TrainingProgress) -> None:
        """Publish now and then how far the training is."""
        self._metrics.trained(progress)
        self._now_and_then()

    def filling(self, plan: Plan, actors: int) -> None:
        """Publish how many actors are at work."""
        self._metrics.filling(plan, actors)
        self._update()

    def filled(self, progress: StratumProgress) -> None:
        """Publish now and then how far the classes are."""
        self._metrics.filled(progress)
        self._now_and_then()

    def ended(self, manifest: Manifest) -> None:
        """Publish that the run succeeded."""
        self._metrics.ended(manifest)
        self._update()

    def failed(self, error: BaseException) -> None:
        """Publish that the run failed."""
        self._metrics.failed(error)
        self._update()

    def _now_and_then(self) -> None:
        if self._pace.due():
            self._update()

    def _open(self, build: Build) -> None:
        """Prepare the export of a build."""

    @abstractmethod
    def _update(self) -> None:
        """Export the current metrics."""


class Port(Exporter):
    """Serves metrics to Prometheus on a port while the run lasts."""

    def __init__(self, listen: tuple[str, int]) -> None:
        super().__init__()
        self._listen = listen
        self._server: Any = None

    @property
    def title(self) -> str:
        """What a warning calls it."""
        return f"the metrics port {self._listen[1]}"

    def _open(self, build: Build) -> None:  # noqa: ARG002 (the base's)
        host, port = self._listen
        self._server, _ = start_http_server(port, host, self._registry)

    def _update(self) -> None:
        """Do nothing: Prometheus scrapes the port."""

    def close(self) -> None:
        """Stop the server, and free the port."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()


class File(Exporter):
    """Writes a file of metrics for each dataset into the folder of node_exporter's textfile collector."""

    title = "the metrics file"

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder, self._path = folder, ""

    def _open(self, build: Build) -> None:
        name = re.sub(r"[^\w.-]+", "_", build.plan.name)
        self._path = os.path.join(self._folder, f"makeweight-{name}.prom")
        self._metrics.last_success = _read_last_success(self._path)

    def _update(self) -> None:
        write_to_textfile(self._path, self._registry)


class Gateway(Exporter):
    """Pushes to a Pushgateway, under the job `makeweight` and the dataset's name; other metrics there are kept."""

    title = "the Pushgateway"

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address, self._handler = _split_credentials(address)
        self._dataset = ""
        self._thread = Background()

    def _open(self, build: Build) -> None:
        self._dataset = build.plan.name

    def _update(self) -> None:
        if self._thread.idle or self._metrics.over:
            self._thread.do(self._push)

    def _push(self) -> None:
        try:
            group = {"dataset": self._dataset}
            pushadd_to_gateway(self._address, "makeweight", self._registry, group, PATIENCE, self._handler)
        except OSError as error:  # urllib's errors are
            raise MakeweightError(f"{self._address}: {error}") from error

    def close(self) -> None:
        """Wait a little for the last push."""
        self._thread.close(2 * PATIENCE)


def _split_credentials(address: str) -> tuple[str, Callable[..., Any]]:
    """Return the address without user name and password, and a handler that sends them."""
    parts = urlsplit(address)
    if parts.username is None:
        return address, default_handler
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return bare, partial(basic_auth_handler, username=unquote(parts.username), password=unquote(parts.password or ""))


def make_exporters(settings: Settings) -> list[Watcher]:
    """Return an exporter for each target in the settings."""
    return [
        *([Port(settings.listen)] if settings.listen else []),
        *([File(settings.metrics)] if settings.metrics else []),
        *([Gateway(settings.gateway)] if settings.gateway else []),
    ]


def _read_last_success(path: str) -> float | None:
    """Return the time of the last success from the file of an earlier run, which a failed run must keep."""
    with suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
        for family in text_fd_to_metric_families(file):
            for sample in family.samples:
                if sample.name == SUCCESS:
                    return float(sample.value)
    return None
