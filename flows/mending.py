"""Retries work after a damaged file of the workspace was found: the file is made again, with a note for the user."""

from collections.abc import Callable
from typing import TypeVar

from flows.progress import Build
from pipelines.storage.mend import clear_damage
from schemas.errors import DamageError

R = TypeVar("R")
MOST = 20
"""Damaged files that one run of a build mends; after that the disk cannot be trusted."""


def retry_after_mending(build: Build, work: Callable[[], R]) -> R:
    """Do the work, and do it again after removing a damaged file; undamaged files are kept.

    Raises DamageError for a file that no step makes again, and after `MOST` damages.
    """
    for _ in range(MOST):
        try:
            return work()
        except DamageError as damage:
            build.listener.noted(clear_damage(damage, build.workspace))
    return work()
