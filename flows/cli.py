"""The command line: every command of `flows.commands`, and where it starts.

A command that starts servers runs in a session of its own. What commands need is imported when one runs, so that Ctrl-C
is heard before.
"""

import errno
import sys
from contextlib import suppress
from typing import Any

from flows.ending import UNWRITTEN, end_at_once, ends_with, open_closed_streams
from flows.interrupt import STOPPED, hearing
from flows.session import can_run_apart, run_apart

INTERRUPTED = 130
"""How typer ends where it is interrupted before a command is at work."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""How a stream fails that takes no more."""
SERVED = ("build", "evaluate")
"""The commands that may start a Prefect server and Ray."""


def __getattr__(name: str) -> Any:
    """Give the application, with all commands, to who imports it."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from flows.commands import building, choosing, looking, serving  # noqa: F401 each adds its commands
    from flows.commands.console import app

    return app


def main() -> None:
    """Run the command line; Ctrl-C or SIGTERM ends it with one plain line, however early it comes."""
    open_closed_streams()
    end_at_once()
    if sys.argv[1:2] and sys.argv[1] in SERVED and can_run_apart():
        run_apart(_code, STOPPED)
    with hearing():
        code = _code()
    raise SystemExit(ends_with(code))


def _code() -> int:
    """Run the command, and return its exit code."""
    try:
        from flows.cli import app

        app()
    except SystemExit as ended:
        if ended.code != INTERRUPTED:
            return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except KeyboardInterrupt:
        pass
    except OSError as error:  # a full disk behind `>`, as `/dev/full` plays it
        if error.errno not in FULL or error.filename is not None:
            raise
        with suppress(OSError):
            print(f"makeweight: what it says cannot be written: {error.strerror}; make room", file=sys.stderr)
        return UNWRITTEN
    print(STOPPED, file=sys.stderr)
    return 1


if __name__ == "__main__":
    main()
