"""Sends to an OpenLineage server (Marquez, DataHub and others) which run made which dataset from which source.

`events.py` makes the events. OpenLineage's own configuration names the server: OPENLINEAGE_URL, OPENLINEAGE_CONFIG or
`openlineage.yml`.
"""

import json
import logging
from collections.abc import Callable

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import RunEvent

from flows.progress import Build
from flows.watching.background import Background
from flows.watching.base import Watcher
from flows.watching.events import RunEvents
from schemas.errors import Fault, MakeweightError, SpecError
from schemas.manifest import Manifest

PATIENCE = 15.0
"""Seconds that a build waits at its end for the last events to be sent."""


class Lineage(Watcher):
    """Sends an event when a run starts, and one when it ends.

    A killed run sends no end, and would seem to run for ever. So its id is kept in the hidden folder, and the run that
    resumes the build reports it as aborted.
    """

    title = "OpenLineage"

    def __init__(self, client: OpenLineageClient) -> None:
        self._client = client
        self._thread = Background()
        self._run_events: RunEvents | None = None
        self._build: Build | None = None

    def started(self, build: Build) -> None:
        """Send that the run started, and that the run before was aborted, if it never ended."""
        self._build, self._run_events = build, RunEvents(build)
        self._do(lambda: self._begin(build, self._events.start()))

    def ended(self, manifest: Manifest) -> None:
        """Send what was published."""
        self._end(self._events.complete(manifest))

    def failed(self, error: BaseException) -> None:
        """Send that the run failed, or was stopped."""
        self._end(self._events.fail(error) if isinstance(error, Exception) else self._events.abort())

    def close(self) -> None:
        """Wait until all events are sent, for `PATIENCE` seconds at most."""
        self._thread.close(PATIENCE)

    @property
    def _events(self) -> RunEvents:
        if self._run_events is None:
            raise RuntimeError("no run has started")
        return self._run_events

    def _begin(self, build: Build, start: RunEvent) -> None:
        notes, name = build.workspace.hidden, _note_name(build)
        if notes.exists(name):
            self._client.emit(self._events.abort(json.loads(notes.read(name))["run"]))
        notes.write(name, json.dumps({"run": build.id}).encode())
        self._client.emit(start)

    def _end(self, event: RunEvent) -> None:
        build = self._build
        if build is None:
            return
        self._do(lambda: self._client.emit(event))
        self._do(lambda: build.workspace.hidden.remove(_note_name(build)))

    def _do(self, job: Callable[[], None]) -> None:
        self._thread.do(lambda: _run_job(job))


def _note_name(build: Build) -> str:
    return f"run-{build.key}.json"


def make_lineage() -> Lineage:
    """Return the watcher that sends lineage; raises SpecError if OpenLineage's configuration is wrong."""
    # each attempt to reach a server that is away would be a line on the terminal
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    try:
        return Lineage(OpenLineageClient())
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError, ImportError) as error:
        problem = f"OpenLineage's configuration (OPENLINEAGE_URL, OPENLINEAGE_CONFIG or openlineage.yml): {error}"
        raise SpecError(Fault((), f"{problem}; mend it, or set OPENLINEAGE_DISABLED=true")) from error


def _run_job(job: Callable[[], None]) -> None:
    try:
        job()
    except OSError as error:  # what `requests` raises is one
        raise MakeweightError(f"an event was not taken: {error}") from error
