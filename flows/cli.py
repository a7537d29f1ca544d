"""The command line: its entry point, with every command of `flows.commands`.

A command that starts servers runs in a session of its own. Commands import what they need when they run, so that Ctrl-C
is handled from the first moment.
"""

import errno
import sys
from contextlib import suppress
from typing import Any

from flows.child_process import can_run_apart, run_apart
from flows.exit import UNWRITTEN, end_at_once, ends_with, open_closed_streams
from flows.interrupt import STOPPED, handle_stop_signals

INTERRUPTED = 130
"""The exit code of typer if it is interrupted before a command runs."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""The errors of a stream that takes no more."""
SERVED = ("build", "evaluate")
"""The commands that may start a Prefect server and Ray."""


def __getattr__(name: str) -> Any:
    """Return `app`, the application with all commands, when it is imported."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from flows.commands import build, catalogue, inspect, server  # noqa: F401 each adds its commands
    from flows.commands.console import app

    return app


def main() -> None:
    """Run the command line; Ctrl-C or SIGTERM ends it with one plain line at any time."""
    open_closed_streams()
    end_at_once()
    if sys.argv[1:2] and sys.argv[1] in SERVED and can_run_apart():
        run_apart(_run_command, STOPPED)
    with handle_stop_signals():
        code = _run_command()
    raise SystemExit(ends_with(code))


def _run_command() -> int:
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
