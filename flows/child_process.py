"""Runs a command in a child process with a session of its own, and handles the terminal's signals for it.

A terminal sends Ctrl-C to every process of its foreground group. Prefect's temporary server and Ray's processes would
get it too, and a build that stops would wait for dead servers. So this process stays at the terminal, and only passes
signals on. Its child, in a session of its own, runs the command and starts the servers. When the child ends, all other
processes of its session are killed. This module imports little, so that Ctrl-C is handled from the first moment.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Thread
from typing import NoReturn

from flows.exit import ends_with
from flows.interrupt import install_stop_handlers, is_stop_requested, list_stop_signals

STOP_SECONDS = 7.0
"""Seconds that a command has to end by itself; after that it is killed, and can be resumed as after any kill."""
SAME_SIGNAL_SECONDS = 0.5
"""Seconds within which two signals count as one: Ctrl-C comes twice if a parent process passes it on, too."""
SWEEP_SECONDS = 5.0
"""Seconds to wait for the end of killed processes; one that hangs in a disk read may never end."""
STOPPED_CODE = 130
"""The exit code of a child that was stopped."""
SHOW_CURSOR = "\r\x1b[2K\x1b[?25h"
"""Clears the line, and shows the cursor, which a live display hides."""


def can_run_apart() -> bool:
    """Whether this system has sessions, as POSIX systems do."""
    return hasattr(os, "fork") and hasattr(os, "setsid")


def run_apart(work: Callable[[], int], stopped: str) -> NoReturn:
    """Run `work` in a session of its own, and exit with its exit code, or with 1 and the line `stopped`.

    The first stop signal is passed on. A second one kills the work, and so do `STOP_SECONDS` after the first. The call
    does not return; the process must have one thread.
    """
    stops = {*list_stop_signals(), signal.SIGQUIT}
    awaited = {*stops, signal.SIGCHLD, signal.SIGTSTP, signal.SIGALRM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    ours, childs = os.pipe()
    child = os.fork()
    if not child:
        os.close(childs)
        os.setsid()
        install_stop_handlers(silently=True)
        Thread(target=_end_with_parent, args=(ours,), daemon=True).start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise SystemExit(ends_with(_run_work(work)))
    os.close(ours)
    raise SystemExit(ends_with(_Watch(child, stops, stopped).code()))


def _run_work(work: Callable[[], int]) -> int:
    try:
        code = work()
    except BaseException:
        if not is_stop_requested():
            raise
        code = STOPPED_CODE
    return STOPPED_CODE if code and is_stop_requested() else code


def _end_with_parent(pipe: int) -> None:
    """Wait until the parent is gone, and then kill all processes of this session."""
    with suppress(OSError):
        os.read(pipe, 1)
    for process in _list_processes(os.getsid(0)):
        if process != os.getpid():
            _send(process, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


class _Watch:
    """Waits for the child, and passes signals on to it."""

    def __init__(self, child: int, stops: set[signal.Signals], stopped: str) -> None:
        self._child, self._stops, self._stopped = child, stops, stopped
        self._told = 0.0
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a signal that is ignored cannot be waited for

    def code(self) -> int:
        """Wait for the child's end, kill the rest of its session, and return the exit code."""
        awaited = {*self._stops, signal.SIGCHLD, signal.SIGTSTP, signal.SIGALRM}
        while (status := self._poll_child()) is None:
            number = signal.sigwait(awaited)
            if number == signal.SIGTSTP:
                self._pause()
            elif number != signal.SIGCHLD:
                self._hear(number)
        _sweep(self._child)
        return self._said(os.waitstatus_to_exitcode(status))

    def _poll_child(self) -> int | None:
        done, status = os.waitpid(self._child, os.WNOHANG)
        return status if done else None

    def _hear(self, number: int) -> None:
        """Pass the first stop signal on; kill the child at a later one, or when its time is up."""
        now = time.monotonic()
        if not self._told and number != signal.SIGQUIT:
            self._told = now
            signal.setitimer(signal.ITIMER_REAL, STOP_SECONDS)
            _send(self._child, number)
        elif number in (signal.SIGALRM, signal.SIGQUIT) or now - self._told > SAME_SIGNAL_SECONDS:
            self._told = self._told or now
            _send(self._child, signal.SIGKILL)

    def _pause(self) -> None:
        """Halt all processes at Ctrl-Z, unless there is no shell that could wake them."""
        if os.getpgrp() == os.getsid(0):
            return
        for process in _list_processes(self._child):
            _send(process, signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        for process in _list_processes(self._child):
            _send(process, signal.SIGCONT)

    def _said(self, code: int) -> int:
        """Print how the child ended, if it was stopped or killed, and return the exit code."""
        if code == STOPPED_CODE or -code in self._stops or (self._told and code not in (0, 2, 3)):
            _print_line(self._stopped)
            return 1
        if code < 0:
            why = ", most often because memory ran out" if code == -signal.SIGKILL else ""
            name = signal.Signals(-code).name
            _print_line(f"makeweight: ended by {name}{why}; run the same command again to go on where it was")
            return 1
        return code


def _print_line(line: str) -> None:
    with suppress(OSError, ValueError):  # the terminal may be gone
        print(f"{SHOW_CURSOR if sys.stderr.isatty() else ''}{line}", file=sys.stderr, flush=True)


def _send(process: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(process, number)


def _list_processes(session: int) -> Iterator[int]:
    """Yield the ids of the running processes of a session."""
    import psutil

    for process in psutil.pids():
        with suppress(ProcessLookupError, PermissionError, psutil.Error):
            if os.getsid(process) == session and psutil.Process(process).status() != psutil.STATUS_ZOMBIE:
                yield process


def _sweep(session: int) -> None:
    """Kill all processes of a session, and wait until they are gone."""
    end = time.monotonic() + SWEEP_SECONDS
    while left := list(_list_processes(session)):
        for process in left:
            _send(process, signal.SIGKILL)
        if time.monotonic() > end:
            return
        time.sleep(0.02)
