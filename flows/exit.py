"""Ends the process after all work and output, without the interpreter's finalisation. Knows no command.

A thread of pyarrow's pool may still release a buffer that Python owns, long after its result was returned. If the
interpreter is being finalised, it ends this thread in the middle of C++, and the process dies with `terminate called
without an active exception`: one of ten successful runs of `verify` had exit code 134. Finalisation has nothing left to
do, so it is skipped.
"""

import atexit
import os
import sys
from contextlib import suppress

UNKNOWN, UNWRITTEN = 1, 120
"""Exit codes of a process that ends by an uncaught error, and of one whose output could not be written. Python uses the
same codes."""
_codes = [UNKNOWN]


def open_closed_streams() -> None:
    """Open standard streams that were closed before the start (`>&-`) on the null device.

    Otherwise the next file or pipe that is opened gets the stream's number, and the output of this process and of
    servers goes into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            if os.open(os.devnull, os.O_RDWR) == number:  # the lowest free number
                os.set_inheritable(number, True)
                setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def end_at_once() -> None:
    """Make the process end right after its last `atexit` function; call this before any other is registered.

    By then all threads that are waited for have ended, and servers that were started are stopped.
    """
    atexit.register(_end)  # the first registered function is called last


def ends_with(code: int) -> int:
    """Set the exit code that the process will end with, and return it."""
    _codes[0] = code
    return code


def _end() -> None:
    os._exit(_codes[0] if _written() else UNWRITTEN)


def _written() -> bool:
    """Flush both output streams; return whether that succeeded."""
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
