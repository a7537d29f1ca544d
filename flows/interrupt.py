"""Hears Ctrl-C and SIGTERM and remembers it, since a library that was at work just then may let the exception pass.

asyncio puts its own handler in the place of Python's while Prefect talks to its server, Ray asks for signals within its
own calls, and what is raised while a module is imported is not always handed on. So `stop_if_heard` raises it again.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, current_thread, main_thread
from types import FrameType

_heard = Event()


@contextmanager
def hearing() -> Iterator[None]:
    """Raise KeyboardInterrupt at Ctrl-C or SIGTERM, and remember it, for as long as the block lasts."""
    if current_thread() is not main_thread():  # no signal comes here
        yield
        return
    _heard.clear()
    before = {number: signal.signal(number, _hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _heard.clear()


def _hear(_number: int, _frame: FrameType | None) -> None:
    _heard.set()
    raise KeyboardInterrupt


def heard() -> bool:
    """Whether the process was told to stop."""
    return _heard.is_set()


def stop_if_heard() -> None:
    """Raise KeyboardInterrupt if the process was told to stop and yet the work went on."""
    if heard():
        raise KeyboardInterrupt
