"""Goes on where a file of the build's own is found damaged: it is made again, and the user is told."""

from collections.abc import Callable
from typing import TypeVar

from flows.progress import Build
from pipelines.storage.mend import clear_damage
from schemas.errors import DamageError

R = TypeVar("R")
MOST = 20
"""Damages that one run of a build mends before it gives up: then the disk cannot be trusted."""


def mending(build: Build, work: Callable[[], R]) -> R:
    """Do the work, and do it again where something was damaged, which is made anew then; all that is whole is kept.

    Raises DamageError for what nothing makes again, and once there is too much of it.
    """
    for _ in range(MOST):
        try:
            return work()
        except DamageError as damage:
            build.listener.noted(clear_damage(damage, build.place))
    return work()
