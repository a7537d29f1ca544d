"""Handles Ctrl-C and SIGTERM, and remembers them, since a library may swallow the KeyboardInterrupt.

asyncio replaces Python's handler while Prefect talks to its server, and Prefect that of SIGTERM while a flow runs. Ray
checks for signals within its own calls, and an exception during an import is not always passed on. So
`keep_stop_handlers` puts ours back, and `stop_if_requested` raises it again.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, current_thread, main_thread
from types import FrameType
from typing import Any

STOPPED = "makeweight: stopped; run the same command again to go on where it was"
"""The message after Ctrl-C or SIGTERM."""
_heard = Event()
_hearing: dict[signal.Signals, Any] = {}
"""Our handlers, while they are in force."""


def list_stop_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that ask a process to stop: Ctrl-C, SIGTERM, and a terminal that closes, unless by `nohup`."""
    by_nohup = not hasattr(signal, "SIGHUP") or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM) if by_nohup else (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def handle_stop_signals() -> Iterator[None]:
    """Raise KeyboardInterrupt on a stop signal within the block, and remember it."""
    if current_thread() is not main_thread():  # signals come to the main thread only
        yield
        return
    before = install_stop_handlers()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _hearing.clear()
        _heard.clear()


@contextmanager
def keep_stop_handlers() -> Iterator[None]:
    """Put our handlers back where a library replaced them, for as long as the block lasts; none if none are installed.

    On a worker there are none: there Prefect's own handler is how a run is cancelled.
    """
    if current_thread() is not main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in _hearing.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def install_stop_handlers(silently: bool = False) -> dict[signal.Signals, Any]:
    """Install handlers that raise KeyboardInterrupt on a stop signal and remember it; return the handlers before.

    `silently` closes standard error on the signal, so that libraries print nothing; the parent process reports it.
    """
    _heard.clear()

    def hear(_number: int, _frame: FrameType | None) -> None:
        if silently and not is_stop_requested():
            _close_errors()
        _heard.set()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, hear) for number in list_stop_signals()}
    _hearing.clear()
    _hearing.update(dict.fromkeys(before, hear))
    return before


def _close_errors() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def is_stop_requested() -> bool:
    """Whether the process got a stop signal."""
    return _heard.is_set()


def stop_if_requested() -> None:
    """Raise KeyboardInterrupt if the process got a stop signal, and the work went on."""
    if is_stop_requested():
        raise KeyboardInterrupt
