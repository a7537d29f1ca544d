"""Tells whoever listens how a build gets on: the terminal's display, logs, metrics, lineage.

Listeners are no parameter of the flow, since Prefect would have to write them down. They belong to a context
(`contextvars`), as do the flow and its tasks: a build in another thread of the process has its own.
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
    """Hears how a build gets on. What a method raises stops the build: a listener that may fail sees to that itself."""

    def started(self, build: "Build") -> None:
        """Hear that a run began its work; nothing is told of one that finds the dataset complete."""

    def joined(self, dashboard: str | None) -> None:
        """Hear that Ray is there, and the address of its dashboard if it has one."""

    def step(self, name: str) -> None:
        """Hear that a step began: plan, ingest, fit, fill, write or report."""

    def trained(self, progress: TrainingProgress) -> None:
        """Hear how far the training of the generator is."""

    def filling(self, plan: Plan, actors: int) -> None:
        """Hear that the fill began with so many actors."""

    def filled(self, progress: StratumProgress) -> None:
        """Hear that a chunk of this stratum was looked at."""

    def noted(self, note: str) -> None:
        """Hear what a user should know besides, in one sentence."""

    def ended(self, manifest: Manifest) -> None:
        """Hear that the dataset is published."""

    def failed(self, error: BaseException) -> None:
        """Hear that the run ended otherwise."""


class Relay(Listener):
    """Hands on what it hears; to whom, `_tell` says."""

    @abstractmethod
    def _tell(self, say: Callable[[Listener], None]) -> None:
        """Let everyone hear it by `say`."""

    def started(self, build: "Build") -> None:
        """Hand it on."""
        self._tell(lambda one: one.started(build))

    def joined(self, dashboard: str | None) -> None:
        """Hand it on."""
        self._tell(lambda one: one.joined(dashboard))

    def step(self, name: str) -> None:
        """Hand it on."""
        self._tell(lambda one: one.step(name))

    def trained(self, progress: TrainingProgress) -> None:
        """Hand it on."""
        self._tell(lambda one: one.trained(progress))

    def filling(self, plan: Plan, actors: int) -> None:
        """Hand it on."""
        self._tell(lambda one: one.filling(plan, actors))

    def filled(self, progress: StratumProgress) -> None:
        """Hand it on."""
        self._tell(lambda one: one.filled(progress))

    def noted(self, note: str) -> None:
        """Hand it on."""
        self._tell(lambda one: one.noted(note))

    def ended(self, manifest: Manifest) -> None:
        """Hand it on."""
        self._tell(lambda one: one.ended(manifest))

    def failed(self, error: BaseException) -> None:
        """Hand it on."""
        self._tell(lambda one: one.failed(error))


class All(Relay):
    """Hands on to each of these, in their order."""

    def __init__(self, *to: Listener) -> None:
        self._to = to

    def _tell(self, say: Callable[[Listener], None]) -> None:
        for one in self._to:
            say(one)


_present: ContextVar[tuple[Listener, ...]] = ContextVar("listeners", default=())


def listener() -> Listener:
    """Return what hands on to all that listen here and now."""
    return All(*_present.get())


@contextmanager
def listening(*to: Listener) -> Iterator[None]:
    """Let `to` hear of builds in this block, and of none in another thread."""
    before = _present.set((*_present.get(), *to))
    try:
        yield
    finally:
        _present.reset(before)


@dataclass(frozen=True)
class Build:
    """One run of a build: what was asked for, what is planned, where it goes, and who hears how it gets on.

    `id` (a UUID) names this run; `seconds` says how long each step took that is done.
    """

    spec: Spec
    plan: Plan
    place: Workspace
    listener: Listener = field(default_factory=listener)
    id: str = field(default_factory=lambda: str(uuid4()))
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The name of what is built: the same when it goes on later."""
        return self.place.key

    @property
    def output(self) -> Folder:
        """Where the dataset goes."""
        return self.place.output

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step, and tell that it began."""
        self.listener.step(name)
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tell that the run began, and if it ends with an exception, that too."""
        self.listener.started(self)
        try:
            yield
        except BaseException as error:
            self.listener.failed(error)
            raise
