"""Ends the process at once when all is done and said, before the interpreter is taken down. Knows no command.

A thread of pyarrow's pool may still let go of a buffer whose bytes are Python's, though its result was handed over long
ago. In an interpreter that is being taken down such a thread is ended in the middle of C++, which ends the process by
`terminate called without an active exception`: exit code 134 in one of ten runs of a `verify` that found all well.
Nothing is left to take down, so nothing is.
"""

import atexit
import os
import sys
from contextlib import suppress

UNKNOWN, UNWRITTEN = 1, 120
"""Exit codes: of a process that ends by an error nobody caught, and where what was said could not be written, as
Python's own."""
_codes = [UNKNOWN]


def open_closed_streams() -> None:
    """Let what was closed before the start (`>&-`) lead nowhere.

    Else the next file or pipe that is opened takes its number, and gets what is printed, by servers as well.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            if os.open(os.devnull, os.O_RDWR) == number:  # the lowest that is free
                os.set_inheritable(number, True)
                setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def end_at_once() -> None:
    """Let the process end when the last of what is registered with `atexit` is done; to be called before anything is.

    By then all threads that are waited for have ended, and servers that were started are stopped.
    """
    atexit.register(_end)  # what is registered first is called last


def ends_with(code: int) -> int:
    """Return the exit code that the process will end with."""
    _codes[0] = code
    return code


def _end() -> None:
    os._exit(_codes[0] if _written() else UNWRITTEN)


def _written() -> bool:
    """Write out what was said; return whether that could be done."""
    written = True
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            written = False
            with suppress(OSError):
                stream.close()
    return written
