"""Defines a step of a flow: a Prefect task that is retried if its failure may pass."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from prefect import task

from flows.interrupt import is_stop_requested
from flows.server import SILENT
from pipelines.engine.actors import is_lost
from pipelines.storage.retries import is_transient
from schemas.errors import MakeweightError

P = ParamSpec("P")
R = TypeVar("R")


def _should_retry(_task: Any, _run: Any, state: Any) -> bool:
    return is_worth_retrying(state.result(raise_on_failure=False))


def is_worth_retrying(error: Any) -> bool:
    """Whether to retry a step after this error: if it may pass, and no stop is requested.

    A MakeweightError, or a mistake in code, comes again.
    """
    if is_stop_requested() or isinstance(error, MakeweightError):
        return False
    return isinstance(error, SILENT) or is_transient(error) or is_lost(error)


def step(function: Callable[P, R]) -> Callable[P, R]:
    """Make a Prefect task of a function, which is retried if its failure may pass."""
    name = function.__name__.removesuffix("_task")
    made = task(name=name, retries=2, retry_delay_seconds=5, retry_condition_fn=_should_retry, persist_result=False)(
        function
    )
    return cast(Callable[P, R], made)
