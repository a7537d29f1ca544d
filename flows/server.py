"""Makes flows that start or reach their Prefect server, and explains errors of a server that does not answer."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from threading import Lock
from typing import Any, ParamSpec, TypeVar, cast

import httpx
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL

from flows.interrupt import keep_stop_handlers
from schemas.errors import MakeweightError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SILENT = (httpx.HTTPError,)
"""Prefect's errors for a server that does not answer, or answers with an error."""
WHO = (401, 403)
"""The HTTP codes of a server that requires authentication."""
P = ParamSpec("P")
R = TypeVar("R")
_starting = Lock()


def bypass_proxies() -> None:
    """Let this process, and those that it starts, connect to servers on this machine without a proxy."""
    before = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = [host.strip() for host in before.split(",") if host.strip()]
    if "*" not in hosts:
        value = ",".join([*hosts, *(host for host in LOOPBACK if host not in hosts)])
        os.environ.update(NO_PROXY=value, no_proxy=value)


class _ServedFlow(Flow[P, R]):
    """A flow that starts its server under a lock: Prefect's own start of a temporary server is not thread-safe."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the flow."""
        with _starting:
            bypass_proxies()
            get_client(sync_client=True)  # starts a temporary server, unless one is set or runs already
        return super().__call__(*args, **kwargs)


def served_flow(name: str) -> Callable[[Callable[P, R]], Flow[P, R]]:
    """Make a decorator that turns a function into a flow, which several threads may run at once.

    Stop signals are handled in it as outside of a flow.
    """

    def decorate(function: Callable[P, R]) -> Flow[P, R]:
        @wraps(function)
        def interruptible(*args: P.args, **kwargs: P.kwargs) -> R:
            with keep_stop_handlers():
                return function(*args, **kwargs)

        return cast(Flow[P, R], _ServedFlow(interruptible, name=name, persist_result=False, validate_parameters=False))

    return decorate


@contextmanager
def explain_server_errors() -> Iterator[None]:
    """Turn errors of an unreachable Prefect server into a MakeweightError with advice."""
    try:
        yield
    except SILENT as error:
        raise _unreachable_error(error) from error
    except RuntimeError as error:  # before the first step, Prefect says it in words
        if "Failed to reach API" not in str(error) and "ephemeral" not in str(error):
            raise
        raise _unreachable_error(error) from error


def _unreachable_error(error: Exception) -> MakeweightError:
    address = PREFECT_API_URL.value() or "started for this build"
    if isinstance(error, httpx.HTTPStatusError) and error.response.status_code in WHO:
        return MakeweightError(
            f"the Prefect server ({address}) asks who calls; set PREFECT_API_AUTH_STRING to what it was started with"
            " (PREFECT_SERVER_API_AUTH_STRING, as user:password), and run the same command again"
        )
    return MakeweightError(
        f"the Prefect server ({address}) does not answer: {error}; see that it runs, or unset PREFECT_API_URL, and run"
        " the same command again: finished work is kept"
    )
