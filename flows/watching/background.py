"""Runs what talks to the network on a thread, one after another, so that a server that is away holds up no build."""

from collections.abc import Callable
from queue import Queue
from threading import Thread

from schemas.errors import MakeweightError


class Background:
    """A thread that does jobs in order. One that fails does not keep the next from being tried."""

    def __init__(self) -> None:
        self._jobs: Queue[Callable[[], None] | None] = Queue()
        self._error: Exception | None = None
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is at work."""
        return self._jobs.unfinished_tasks == 0

    def do(self, job: Callable[[], None]) -> None:
        """Do the job after those before it, and do not wait for it."""
        self._jobs.put(job)

    def close(self, seconds: float) -> None:
        """Wait for so long until all is done; raises what failed last, or MakeweightError if the time does not do."""
        self._jobs.put(None)
        self._thread.join(seconds)
        if self._error:
            raise self._error
        if self._thread.is_alive():
            raise MakeweightError(f"no answer within {seconds:g} s")

    def _work(self) -> None:
        while job := self._jobs.get():
            try:
                job()
            except Exception as error:  # noqa: BLE001 it is raised at the end
                self._error = error
            finally:
                self._jobs.task_done()
