"""What a step of a flow is: a Prefect task that is retried, if its failure may pass."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from prefect import task

from flows.interrupt import heard
from flows.server import SILENT
from pipelines.engine.actors import is_lost
from pipelines.storage.again import is_transient
from schemas.errors import MakeweightError

P = ParamSpec("P")
R = TypeVar("R")


def _worth_retrying(_task: Any, _run: Any, state: Any) -> bool:
    return worth_retrying(state.result(raise_on_failure=False))


def worth_retrying(error: Any) -> bool:
    """Whether a step is done once more: not where that was explained, is a mistake in code, or is to be stopped."""
    if heard() or isinstance(error, MakeweightError):
        return False
    return isinstance(error, SILENT) or is_transient(error) or is_lost(error)


def step(function: Callable[P, R]) -> Callable[P, R]:
    """Make a Prefect task of a function: retried, but only where its failure may pass."""
    name = function.__name__.removesuffix("_task")
    made = task(name=name, retries=2, retry_delay_seconds=5, retry_condition_fn=_worth_retrying, persist_result=False)(
        function
    )
    return cast(Callable[P, R], made)
