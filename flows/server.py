"""The Prefect server that watches over builds: how a flow comes to have one, and what it says if it has none."""

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

from flows.interrupt import still_hearing
from schemas.errors import MakeweightError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SILENT = (httpx.HTTPError,)
"""How Prefect tells that its server did not answer, or not as it should."""
WHO = (401, 403)
"""What a server answers that does not know who calls."""
P = ParamSpec("P")
R = TypeVar("R")
_starting = Lock()


def pass_by_proxies() -> None:
    """Let this process, and those that it starts, reach servers of this machine without a proxy."""
    before = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = [host.strip() for host in before.split(",") if host.strip()]
    if "*" not in hosts:
        value = ",".join([*hosts, *(host for host in LOOPBACK if host not in hosts)])
        os.environ.update(NO_PROXY=value, no_proxy=value)


class _Served(Flow[P, R]):
    """A flow that sees to its server first: Prefect starts the temporary one without regard to other threads."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the flow."""
        with _starting:
            pass_by_proxies()
            get_client(sync_client=True)  # starts it, where no server is named and none runs yet
        return super().__call__(*args, **kwargs)


def served_flow(name: str) -> Callable[[Callable[P, R]], Flow[P, R]]:
    """Make a flow of a function, which several threads may run at once, and which hears signals as without a flow."""

    def made(function: Callable[P, R]) -> Flow[P, R]:
        @wraps(function)
        def hearing_on(*args: P.args, **kwargs: P.kwargs) -> R:
            with still_hearing():
                return function(*args, **kwargs)

        return cast(Flow[P, R], _Served(hearing_on, name=name, persist_result=False, validate_parameters=False))

    return made


@contextmanager
def server_explained() -> Iterator[None]:
    """Turn a Prefect server that cannot be reached into one plain message."""
    try:
        yield
    except SILENT as error:
        raise _unreachable(error) from error
    except RuntimeError as error:  # before the first step, Prefect says it in words
        if "Failed to reach API" not in str(error) and "ephemeral" not in str(error):
            raise
        raise _unreachable(error) from error


def _unreachable(error: Exception) -> MakeweightError:
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
