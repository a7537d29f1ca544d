"""Reports the progress of a build to listeners: the terminal's display, logs, metrics, lineage.

Listeners are no parameter of the flow, since Prefect would have to serialise them. They belong to a context
(`contextvars`), as the flow and its tasks do: a build in another thread has its own.
"""

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import uuid4

from generators.base import TrainingProgress
from pipelines.fill.loop import StratumProgress
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import Workspace
from schemas.manifest import Manifest
from schemas.plan import Plan
from schemas.spec import Spec


class Listener:
    """Receives the progress of a build. An exception of a method stops the build.

    Example::

        class Notes(Listener):
            def noted(self, note):
                print(note)

        with listen(Notes()):
            build(spec)
    """

    def started(self, build: "Build") -> None:
        """Handle the start of a run; not called if the dataset is complete already."""

    def joined(self, dashboard: str | None) -> None:
        """Handle the start of Ray; `dashboard` is the address of its dashboard, if it has one."""

    def step(self, name: str) -> None:
        """Handle the start of a step: plan, held-out rows, ingest, fit, fill, privacy, write, evaluate or report."""

    def trained(self, progress: TrainingProgress) -> None:
        """Handle the progress of the generator's training."""

    def filling(self, plan: Plan, actors: int) -> None:
        """Handle the start of the fill with so many actors."""

    def filled(self, progress: StratumProgress) -> None:
        """Handle new counts of a stratum."""

    def noted(self, note: str) -> None:
        """Handle a note for the user, in one sentence."""

    def ended(self, manifest: Manifest) -> None:
        """Handle the end of a run that has published its dataset."""

    def failed(self, error: BaseException) -> None:
        """Handle the end of a run that failed or was stopped."""


class Relay(Listener):
    """Passes every call on to other listeners, by `_tell`."""

    @abstractmethod
    def _tell(self, say: Callable[[Listener], None]) -> None:
        """Call `say` with each listener."""

    def started(self, build: "Build") -> None:
        """See Listener."""
        self._tell(lambda one: one.started(build))

    def joined(self, dashboard: str | None) -> None:
        """See Listener."""
        self._tell(lambda one: one.joined(dashboard))

    def step(self, name: str) -> None:
        """See Listener."""
        self._tell(lambda one: one.step(name))

    def trained(self, progress: TrainingProgress) -> None:
        """See Listener."""
        self._tell(lambda one: one.trained(progress))

    def filling(self, plan: Plan, actors: int) -> None:
        """See Listener."""
        self._tell(lambda one: one.filling(plan, actors))

    def filled(self, progress: StratumProgress) -> None:
        """See Listener."""
        self._tell(lambda one: one.filled(progress))

    def noted(self, note: str) -> None:
        """See Listener."""
        self._tell(lambda one: one.noted(note))

    def ended(self, manifest: Manifest) -> None:
        """See Listener."""
        self._tell(lambda one: one.ended(manifest))

    def failed(self, error: BaseException) -> None:
        """See Listener."""
        self._tell(lambda one: one.failed(error))


class Broadcast(Relay):
    """Passes every call on to these listeners, in their order."""

    def __init__(self, *to: Listener) -> None:
        self._to = to

    def _tell(self, say: Callable[[Listener], None]) -> None:
        for one in self._to:
            say(one)


_present: ContextVar[tuple[Listener, ...]] = ContextVar("listeners", default=())


def current_listener() -> Listener:
    """Return a listener that passes calls on to all listeners of this context."""
    return Broadcast(*_present.get())


@contextmanager
def listen(*to: Listener) -> Iterator[None]:
    """Add listeners for builds in this block; builds in other threads are not reported to them."""
    before = _present.set((*_present.get(), *to))
    try:
        yield
    finally:
        _present.reset(before)


@dataclass(frozen=True)
class Build:
    """One run of a build: its spec, plan, workspace and listener.

    `id` (a UUID) names this run. `seconds` holds the time of each finished step.
    """

    spec: Spec
    plan: Plan
    workspace: Workspace
    listener: Listener = field(default_factory=current_listener)
    id: str = field(default_factory=lambda: str(uuid4()))
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The key of the build: a resumed run has the same one."""
        return self.workspace.key

    @property
    def output(self) -> Folder:
        """The folder of the dataset."""
        return self.workspace.output

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Report the beginning of a step, and measure its time."""
        self.listener.step(name)
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Report the beginning of the run, and its failure if the block raises."""
        self.listener.started(self)
        try:
            yield
        except BaseException as error:
            self.listener.failed(error)
            raise
