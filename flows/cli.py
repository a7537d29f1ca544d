"""The command line: every command of `flows.commands`, and where it starts."""

import sys

from flows.commands import building, looking, serving
from flows.commands.console import STOPPED, app
from flows.interrupt import hearing

__all__ = ["app", "building", "looking", "main", "serving"]

INTERRUPTED = 130
"""How typer ends where it is interrupted before a command is at work."""


def main() -> None:
    """Run the command line; Ctrl-C or SIGTERM ends it with one plain line, however early it comes."""
    try:
        with hearing():
            app()
    except SystemExit as ended:
        if ended.code != INTERRUPTED:
            raise
        print(STOPPED, file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
