"""Writes a build's log as JSON lines, for programs that collect logs. Credentials are redacted.

Every line holds `timestamp` (ISO 8601, UTC), `level`, `event`, `dataset`, `build` (a resumed run has the same one),
`run` (this run) and the fields of the event.
"""

import json
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

from flows.progress import Build
from flows.watching.base import Watcher
from flows.watching.pace import Filling, Pace, Steps
from generators.base import TrainingProgress
from pipelines.fill.loop import StratumProgress
from schemas.errors import MakeweightError
from schemas.manifest import Manifest
from schemas.plan import Plan
from schemas.secrets import all_redacted, redacted

SECONDS = 10.0
"""Seconds between two lines on a training, or on a class that is not full yet."""


class JsonLog(Watcher):
    """Writes a line for each event to stderr, or adds it to a file."""

    title = "the log"

    def __init__(self, path: str) -> None:
        self._file: TextIO | None = None
        self._path, self._ids = path, dict[str, str]()
        self._pace, self._steps, self._filling = Pace(SECONDS), Steps(), Filling()
        self._full: set[str] = set()

    def started(self, build: Build) -> None:
        """Write what is built, and where."""
        if self._path != "stderr":
            self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115 it lasts as long as the run
        self._ids = {"dataset": build.plan.name, "build": build.key, "run": build.id, **_flow_run()}
        self._steps = Steps()
        making = sum(stratum.make for stratum in build.plan.strata)
        paths = {"source": build.plan.profile.path, "output": build.output.path}
        self._write("started", {"classes": len(build.plan.strata), "rows_to_make": making, **paths})

    def joined(self, dashboard: str | None) -> None:
        """Write where Ray's dashboard is."""
        if dashboard:
            self._write("ray", {"dashboard": dashboard})

    def step(self, name: str) -> None:
        """Write which step began, and how long the one before took."""
        self._end_step(name)
        self._write("step", {"step": name})

    def trained(self, progress: TrainingProgress) -> None:
        """Write how far the training is."""
        if self._pace.due():
            losses = {"loss": progress.loss, "held_out_loss": progress.held_out}
            self._write("training", {"training_step": progress.step, "training_steps": progress.steps, **losses})

    def filling(self, plan: Plan, actors: int) -> None:
        """Write how many actors are at work."""
        self._filling, self._full = Filling(), set()
        self._write("filling", {"actors": actors, "generator": plan.generator.name})

    def filled(self, progress: StratumProgress) -> None:
        """Write the counts of a class when it is full, and every `SECONDS` before that."""
        self._filling.hear(progress)
        if progress.missing:
            say = progress.candidates > 0 and self._pace.due(progress.name)
        else:
            say = progress.name not in self._full  # chunks that were asked for beforehand may still come in
            self._full.add(progress.name)
        if not say:
            return
        counts = {"accepted": progress.accepted, "target": progress.target, "candidates": progress.candidates}
        together = {"rows_per_second": round(self._filling.per_second, 1), "queue_depth": self._filling.under_way}
        self._write("class", {"class": progress.name, **counts, "rejected": dict(progress.rejected), **together})

    def noted(self, note: str) -> None:
        """Write the note."""
        self._write("note", {"note": note}, "warning")

    def ended(self, manifest: Manifest) -> None:
        """Write what was published."""
        self._end_step(None)
        found = {"rows": manifest.rows, "shards": len(manifest.shards), "content_hash": manifest.content_hash}
        self._write("published", {**found, "seconds": round(self._steps.total, 3)})

    def failed(self, error: BaseException) -> None:
        """Write why the run ended; with a traceback, unless it is a MakeweightError."""
        self._end_step(None)
        fault = isinstance(error, Exception)  # else it was stopped
        fields = {"error": redacted(str(error)), "kind": type(error).__name__, "seconds": round(self._steps.total, 3)}
        if isinstance(error, MakeweightError):
            fields["code"] = error.code
            fields |= {"advice": error.advice.record()} if error.advice else {}
        elif fault:
            fields["traceback"] = redacted("".join(traceback.format_exception(error)))
        self._write("failed" if fault else "stopped", fields, "error" if fault else "warning")

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    def _end_step(self, following: str | None) -> None:
        if ended := self._steps.begin(following):
            self._write("step_ended", {"step": ended[0], "seconds": round(ended[1], 3)})

    def _write(self, event: str, fields: dict[str, Any], level: str = "info") -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"timestamp": now, "level": level, "event": event, **self._ids, **fields}
        to = self._file or sys.stderr
        to.write(f"{json.dumps(all_redacted(line))}\n")  # at once, else lines of two threads run into each other
        to.flush()


def _flow_run() -> dict[str, str]:
    """Return the id of Prefect's flow run, if there is one."""
    from prefect.runtime import flow_run

    return {"flow_run": str(flow_run.id)} if flow_run.id else {}
