"""The base of all watchers, which report a build to other systems, and the warning for a watcher that fails."""

import sys
from abc import abstractmethod
from contextlib import suppress

from flows.progress import Listener
from schemas.errors import MakeweightError
from schemas.secrets import redacted

SAID = 300
"""Characters of a failure that a warning quotes."""


class Watcher(Listener):
    """A listener that reports a build to another system. Its methods may raise; `close` frees its resources."""

    @property
    @abstractmethod
    def title(self) -> str:
        """Its name in a warning."""

    def close(self) -> None:
        """Free its resources; no other method is called after this."""


def describe_failure(error: BaseException) -> str:
    """Return an exception's message in one line, without credentials."""
    said = " ".join(redacted(str(error)).split())[:SAID]
    return said if isinstance(error, MakeweightError | OSError) and said else f"{type(error).__name__}: {said}"


def warn(message: str) -> None:
    """Print a warning on the terminal, and write it into Prefect's log of the run."""
    from prefect.exceptions import MissingContextError
    from prefect.logging import get_run_logger

    sys.stderr.write(f"makeweight: warning: {message}\n")
    with suppress(MissingContextError):
        get_run_logger().warning(message)
