"""Ctrl-C: it stops a build even where a library that was at work just then let it pass.

asyncio puts its own handler in the place of Python's while Prefect talks to its server, and Ray asks for signals within
its own calls; either may lose the exception. So it is remembered, and raised again at the next sign of progress.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, current_thread, main_thread
from types import FrameType

from flows.progress import Listener
from generators.base import TrainingProgress
from pipelines.fill import StratumProgress
from schemas.plan import Plan


class Stopping:
    """A listener that raises KeyboardInterrupt at the next sign of progress once `heard` is set, and else hands on."""

    def __init__(self, to: Listener, heard: Event) -> None:
        self._to, self._heard = to, heard

    def step(self, name: str) -> None:
        """Hand it on, or stop."""
        self._next().step(name)

    def trained(self, progress: TrainingProgress) -> None:
        """Hand it on, or stop."""
        self._next().trained(progress)

    def filling(self, plan: Plan, actors: int) -> None:
        """Hand it on, or stop."""
        self._next().filling(plan, actors)

    def filled(self, progress: StratumProgress) -> None:
        """Hand it on, or stop."""
        self._next().filled(progress)

    def _next(self) -> Listener:
        if self._heard.is_set():
            raise KeyboardInterrupt
        return self._to


@contextmanager
def stopping(to: Listener) -> Iterator[Listener]:
    """Yield a listener by which Ctrl-C stops a build for as long as the block lasts."""
    heard = Event()

    def hear(_number: int, _frame: FrameType | None) -> None:
        heard.set()
        raise KeyboardInterrupt

    if current_thread() is not main_thread():  # no signal comes here
        yield to
        return
    before = signal.signal(signal.SIGINT, hear)
    try:
        yield Stopping(to, heard)
    finally:
        signal.signal(signal.SIGINT, before)
