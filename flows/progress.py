"""Tells whoever listens how a build gets on. The command line listens; a scheduled run logs through Prefect instead.

A listener is no parameter of the flow, since Prefect would have to write it down.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from generators.base import TrainingProgress
from pipelines.fill import StratumProgress
from schemas.plan import Plan


class Listener(Protocol):
    """What a build tells while it runs."""

    def step(self, name: str) -> None:
        """Hear that a step began: plan, ingest, fit, fill, write or report."""

    def trained(self, progress: TrainingProgress) -> None:
        """Hear how far the training of the generator is."""

    def filling(self, plan: Plan, actors: int) -> None:
        """Hear that the fill began with so many actors."""

    def filled(self, progress: StratumProgress) -> None:
        """Hear that a chunk of this stratum was looked at."""


class Silent:
    """Listens to nothing."""

    def step(self, name: str) -> None:
        """Do nothing."""

    def trained(self, progress: TrainingProgress) -> None:
        """Do nothing."""

    def filling(self, plan: Plan, actors: int) -> None:
        """Do nothing."""

    def filled(self, progress: StratumProgress) -> None:
        """Do nothing."""


_listeners: list[Listener] = [Silent()]


def listener() -> Listener:
    """Return the present listener."""
    return _listeners[-1]


@contextmanager
def listening(to: Listener) -> Iterator[None]:
    """Let `to` hear of builds in this process for as long as the block lasts."""
    _listeners.append(to)
    try:
        yield
    finally:
        _listeners.remove(to)
