"""The command line: its entry point, with every command of `flows.commands`.

A command that starts servers runs in a session of its own. Commands import what they need when they run, so that Ctrl-C
is handled from the first moment.
"""

import sys
from typing import Any

from flows.child_process import can_run_apart, run_apart
from flows.exit import end_at_once, ends_with
from flows.interrupt import STOPPED, handle_stop_signals

INTERRUPTED = 130
"""The exit code of typer if it is interrupted before a command runs."""
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
    print(STOPPED, file=sys.stderr)
    return 1


if __name__ == "__main__":
    main()
