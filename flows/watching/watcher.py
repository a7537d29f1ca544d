"""What watches a build for someone outside it, and how it is said that the build goes on without one."""

import sys
from abc import abstractmethod
from contextlib import suppress

from flows.progress import Listener
from schemas.errors import MakeweightError
from schemas.secrets import redacted

SAID = 300
"""Characters of a failure that a warning quotes."""


class Watcher(Listener):
    """A listener that serves someone outside the build; it may raise, and holds things that are to be closed."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What a warning calls it."""

    def close(self) -> None:
        """Let go of what it holds; it hears nothing any more."""


def describe_failure(error: BaseException) -> str:
    """Return what an exception says, in one line without credentials."""
    said = " ".join(redacted(str(error)).split())[:SAID]
    return said if isinstance(error, MakeweightError | OSError) and said else f"{type(error).__name__}: {said}"


def warn(message: str) -> None:
    """Say in one plain line what the build goes on without: on the terminal, and in Prefect's log of the run."""
    from prefect.exceptions import MissingContextError
    from prefect.logging import get_run_logger

    sys.stderr.write(f"makeweight: warning: {message}\n")
    with suppress(MissingContextError):
        get_run_logger().warning(message)
