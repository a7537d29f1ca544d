"""Ctrl-C: it stops a build even where a library that was at work just then let it pass.

asyncio puts its own handler in the place of Python's while Prefect talks to its server, and Ray asks for signals within
its own calls; either may lose the exception. So it is remembered, and raised again at the next sign of progress.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, current_thread, main_thread
from types import FrameType

from flows.progress import Listener, listening
from generators.base import TrainingProgress
from pipelines.fill import StratumProgress


class _Stop(Listener):
    """Raises KeyboardInterrupt at the next sign of progress once `heard` is set."""

    def __init__(self, heard: Event) -> None:
        self._heard = heard

    def step(self, name: str) -> None:  # noqa: ARG002 (the protocol's)
        self._stop()

    def trained(self, progress: TrainingProgress) -> None:  # noqa: ARG002
        self._stop()

    def filled(self, progress: StratumProgress) -> None:  # noqa: ARG002
        self._stop()

    def _stop(self) -> None:
        if self._heard.is_set():
            raise KeyboardInterrupt


@contextmanager
def stopping() -> Iterator[None]:
    """Let Ctrl-C stop a build for as long as the block lasts."""
    if current_thread() is not main_thread():  # no signal comes here
        yield
        return
    heard = Event()

    def hear(_number: int, _frame: FrameType | None) -> None:
        heard.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, hear)
    try:
        with listening(_Stop(heard)):
            yield
    finally:
        signal.signal(signal.SIGINT, before)
