"""What a step of a flow is: a Prefect task that is retried, unless its failure was explained to the user."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from prefect import task

from schemas.errors import MakeweightError

P = ParamSpec("P")
R = TypeVar("R")


def _worth_retrying(_task: Any, _run: Any, state: Any) -> bool:
    """Retry what may pass (a lost node, a network), not what was explained to the user."""
    return not isinstance(state.result(raise_on_failure=False), MakeweightError)


def step(function: Callable[P, R]) -> Callable[P, R]:
    """Make a Prefect task of a function: retried, but not when its failure was explained to the user."""
    name = function.__name__.removesuffix("_task")
    made = task(name=name, retries=2, retry_delay_seconds=5, retry_condition_fn=_worth_retrying, persist_result=False)(
        function
    )
    return cast(Callable[P, R], made)
