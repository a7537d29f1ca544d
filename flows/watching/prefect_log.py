"""Writes the progress of a build into Prefect's log of the flow run, which its page shows."""

from prefect.logging import get_run_logger

from flows.display import training_line
from flows.progress import Build
from flows.watching.base import Watcher
from flows.watching.pace import Filling, Pace, Steps
from generators.base import TrainingProgress
from pipelines.fill.loop import StratumProgress
from schemas.manifest import Manifest
from schemas.plan import Plan

SECONDS = 15.0
"""Seconds between two lines on training or filling."""
NAMED_CLASSES = 3
"""The number of classes that a line names: those that lack the most rows."""


class RunLog(Watcher):
    """Writes lines to the log of the flow run, or of the task run that is at work."""

    title = "Prefect's run log"

    def __init__(self) -> None:
        self._pace, self._steps, self._filling = Pace(SECONDS), Steps(), Filling()
        self._classes, self._full, self._said_all = 0, set[str](), False

    def started(self, build: Build) -> None:
        """Say what is built, and where."""
        self._steps = Steps()
        making = [stratum.make for stratum in build.plan.strata if stratum.make]
        self._classes = len(making)
        what = f"{sum(making):,} rows to make for {len(making):,} of {len(build.plan.strata):,} classes"
        self._say(f"{build.plan.name}: {what}; into {build.output.shown} (build {build.key}, run {build.id})")

    def joined(self, dashboard: str | None) -> None:
        """Say where Ray's dashboard is."""
        if dashboard:
            self._say(f"Ray's dashboard: {dashboard}")

    def step(self, name: str) -> None:
        """Say which step began, and how long the one before took."""
        ended = self._steps.begin(name)
        self._say(f"{name} …" + (f" ({ended[0]} took {ended[1]:,.1f} s)" if ended else ""))

    def trained(self, progress: TrainingProgress) -> None:
        """Say how far the training is."""
        if self._pace.due("training"):
            self._say(f"fit: {training_line(progress)}")

    def noted(self, note: str) -> None:
        """Write the note."""
        self._say(note)

    def filling(self, plan: Plan, actors: int) -> None:
        """Say how many actors are at work."""
        self._filling, self._full, self._said_all = Filling(), set(), False
        self._say(f"{actors} actor(s), generator {plan.generator.name}")

    def filled(self, progress: StratumProgress) -> None:
        """Write the counts of all classes, every `SECONDS` and at the end."""
        self._filling.hear(progress)
        if not progress.missing:
            self._full.add(progress.name)
        all_ = len(self._full) == self._classes and not self._said_all
        if all_ or (self._filling.candidates and not self._said_all and self._pace.due("filling")):
            self._said_all = all_
            self._say(self._how_far())

    def ended(self, manifest: Manifest) -> None:
        """Say what was published."""
        shards = len(manifest.shards)
        self._say(f"published {manifest.rows:,} rows in {shards:,} shard(s) after {self._steps.total:,.1f} s")

    def _how_far(self) -> str:
        heard = self._filling
        short = sorted((one for one in heard.strata.values() if one.missing), key=lambda one: -one.missing)
        named = ", ".join(f"{one.name!r} lacks {one.missing:,}" for one in short[:NAMED_CLASSES])
        rows = f"{heard.accepted:,} rows of {heard.candidates:,} candidates, {heard.per_second:,.0f} rows/s"
        return f"fill: {len(self._full):,} of {self._classes:,} classes full, {rows}" + (f"; {named}" if named else "")

    def _say(self, line: str) -> None:
        get_run_logger().info("%s", line)
