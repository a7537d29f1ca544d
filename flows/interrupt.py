"""Hears Ctrl-C and SIGTERM and remembers it, since a library that was at work just then may let the exception pass.

asyncio puts its own handler in the place of Python's while Prefect talks to its server, Prefect one of SIGTERM while a
flow runs, Ray asks for signals within its own calls, and what is raised while a module is imported is not always handed
on. So `still_hearing` puts ours back, and `stop_if_heard` raises it again.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, current_thread, main_thread
from types import FrameType
from typing import Any

STOPPED = "makeweight: stopped; run the same command again to go on where it was"
"""What Ctrl-C and SIGTERM are answered with."""
_heard = Event()
_hearing: dict[signal.Signals, Any] = {}
"""Our handlers, while they are in force."""


def asked_to_stop_by() -> tuple[signal.Signals, ...]:
    """Return the signals that ask a process to stop: Ctrl-C, SIGTERM, and a terminal that closes, unless by `nohup`."""
    by_nohup = not hasattr(signal, "SIGHUP") or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM) if by_nohup else (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def hearing() -> Iterator[None]:
    """Raise KeyboardInterrupt where the process is asked to stop, and remember it, for as long as the block lasts."""
    if current_thread() is not main_thread():  # no signal comes here
        yield
        return
    before = hear_from_now_on()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _hearing.clear()
        _heard.clear()


@contextmanager
def still_hearing() -> Iterator[None]:
    """Put our handlers back where a library replaced them, for as long as the block lasts; none where there were none.

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


def hear_from_now_on(silently: bool = False) -> dict[signal.Signals, Any]:
    """Raise KeyboardInterrupt where the process is asked to stop, and remember it; return the handlers before.

    `silently` closes standard error to all that libraries say after that; whoever started the process says it.
    """
    _heard.clear()

    def hear(_number: int, _frame: FrameType | None) -> None:
        if silently and not heard():
            _close_errors()
        _heard.set()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, hear) for number in asked_to_stop_by()}
    _hearing.clear()
    _hearing.update(dict.fromkeys(before, hear))
    return before


def _close_errors() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def heard() -> bool:
    """Whether the process was told to stop."""
    return _heard.is_set()


def stop_if_heard() -> None:
    """Raise KeyboardInterrupt if the process was told to stop and yet the work went on."""
    if heard():
        raise KeyboardInterrupt
