"""Runs a command in a session of its own, and answers for it at the terminal. Knows no command.

A terminal sends Ctrl-C to every process of its foreground group. Prefect's temporary server and Ray's processes would
get it too, and a build that stops would wait for servers that are dead. So this process stays at the terminal and only
hands signals on; its child, in a session of its own, runs the command and starts the servers. However the child ends,
nothing of that session is left. Imports little, so that Ctrl-C is heard from the first moment.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Thread
from typing import NoReturn

from flows.ending import ends_with
from flows.interrupt import asked_to_stop_by, hear_from_now_on, heard

STOP_SECONDS = 7.0
"""Seconds that a command has to end by itself; after that it is killed, which costs no more than a kill ever does."""
ONE = 0.5
"""Seconds within which signals are one: Ctrl-C comes twice where a parent process hands it on as well."""
SWEEP_SECONDS = 5.0
"""Seconds that killed processes have to be gone; one that hangs in a disk cannot be waited for."""
STOPPED_CODE = 130
"""What the child ends with where it was stopped."""
SHOW_CURSOR = "\r\x1b[2K\x1b[?25h"
"""Begins a clean line, and shows the cursor, which a live display hides."""


def can_run_apart() -> bool:
    """Whether this system has sessions."""
    return hasattr(os, "fork") and hasattr(os, "setsid")


def run_apart(work: Callable[[], int], stopped: str) -> NoReturn:
    """Run `work` in a session of its own, and end as it ends: by its exit code, or with 1 and the line `stopped`.

    The first signal is handed on, a second one ends the work at once, and so does the end of its patience. To be
    called last, and while the process has one thread.
    """
    stops = {*asked_to_stop_by(), signal.SIGQUIT}
    awaited = {*stops, signal.SIGCHLD, signal.SIGTSTP, signal.SIGALRM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    ours, childs = os.pipe()
    child = os.fork()
    if not child:
        os.close(childs)
        os.setsid()
        hear_from_now_on(silently=True)
        Thread(target=_end_with_parent, args=(ours,), daemon=True).start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise SystemExit(ends_with(_ended(work)))
    os.close(ours)
    raise SystemExit(ends_with(_Watch(child, stops, stopped).code()))


def _ended(work: Callable[[], int]) -> int:
    try:
        code = work()
    except BaseException:
        if not heard():
            raise
        code = STOPPED_CODE
    return STOPPED_CODE if code and heard() else code


def _end_with_parent(pipe: int) -> None:
    """Wait until the parent is gone, which then no longer answers for this session, and kill all of it."""
    with suppress(OSError):
        os.read(pipe, 1)
    for process in _members(os.getsid(0)):
        if process != os.getpid():
            _send(process, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


class _Watch:
    """Waits for the child, and hands on what this process is told."""

    def __init__(self, child: int, stops: set[signal.Signals], stopped: str) -> None:
        self._child, self._stops, self._stopped = child, stops, stopped
        self._told = 0.0
        signal.signal(signal.SIGCHLD, lambda *_: None)  # what is ignored may not be awaited

    def code(self) -> int:
        """Wait for the child's end, leave nothing of its session, and return the code to end with."""
        awaited = {*self._stops, signal.SIGCHLD, signal.SIGTSTP, signal.SIGALRM}
        while (status := self._ended()) is None:
            number = signal.sigwait(awaited)
            if number == signal.SIGTSTP:
                self._pause()
            elif number != signal.SIGCHLD:
                self._hear(number)
        _sweep(self._child)
        return self._said(os.waitstatus_to_exitcode(status))

    def _ended(self) -> int | None:
        done, status = os.waitpid(self._child, os.WNOHANG)
        return status if done else None

    def _hear(self, number: int) -> None:
        """Hand on the first request to stop; a later one, or the end of patience, kills."""
        now = time.monotonic()
        if not self._told and number != signal.SIGQUIT:
            self._told = now
            signal.setitimer(signal.ITIMER_REAL, STOP_SECONDS)
            _send(self._child, number)
        elif number in (signal.SIGALRM, signal.SIGQUIT) or now - self._told > ONE:
            self._told = self._told or now
            _send(self._child, signal.SIGKILL)

    def _pause(self) -> None:
        """Halt at Ctrl-Z, all processes together; a process that no shell could wake does not."""
        if os.getpgrp() == os.getsid(0):
            return
        for process in _members(self._child):
            _send(process, signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        for process in _members(self._child):
            _send(process, signal.SIGCONT)

    def _said(self, code: int) -> int:
        """Say how it ended, where that was not by itself, and return the code to end with."""
        if code == STOPPED_CODE or -code in self._stops or (self._told and code not in (0, 2, 3)):
            _say(self._stopped)
            return 1
        if code < 0:
            why = ", most often because memory ran out" if code == -signal.SIGKILL else ""
            name = signal.Signals(-code).name
            _say(f"makeweight: ended by {name}{why}; run the same command again to go on where it was")
            return 1
        return code


def _say(line: str) -> None:
    with suppress(OSError, ValueError):  # the terminal may be gone
        print(f"{SHOW_CURSOR if sys.stderr.isatty() else ''}{line}", file=sys.stderr, flush=True)


def _send(process: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(process, number)


def _members(session: int) -> Iterator[int]:
    """Yield the processes of a session that have not ended."""
    import psutil

    for process in psutil.pids():
        with suppress(ProcessLookupError, PermissionError, psutil.Error):
            if os.getsid(process) == session and psutil.Process(process).status() != psutil.STATUS_ZOMBIE:
                yield process


def _sweep(session: int) -> None:
    """Kill what is left of a session, and wait until it is gone."""
    end = time.monotonic() + SWEEP_SECONDS
    while left := list(_members(session)):
        for process in left:
            _send(process, signal.SIGKILL)
        if time.monotonic() > end:
            return
        time.sleep(0.02)
