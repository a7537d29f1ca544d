"""What a build says when the Prefect server that watches over it cannot be reached."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.settings import PREFECT_API_URL

from schemas.errors import MakeweightError

SILENT = (httpx.HTTPError,)
"""How Prefect tells that its server did not answer, or not as it should."""
WHO = (401, 403)
"""What a server answers that does not know who calls."""


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
