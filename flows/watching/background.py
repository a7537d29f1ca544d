"""Runs network calls on a thread, one after another, so that an unreachable server does not delay the build."""

from collections.abc import Callable
from queue import Queue
from threading import Thread

from schemas.errors import MakeweightError


class Background:
    """A thread that does jobs in order. After a job that fails, the next one is tried."""

    def __init__(self) -> None:
        self._jobs: Queue[Callable[[], None] | None] = Queue()
        self._error: Exception | None = None
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Whether no job waits or runs."""
        return self._jobs.unfinished_tasks == 0

    def do(self, job: Callable[[], None]) -> None:
        """Add a job to the queue, and do not wait for it."""
        self._jobs.put(job)

    def close(self, seconds: float) -> None:
        """Wait until all jobs are done; raises the last job's error, or MakeweightError after so many seconds."""
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
