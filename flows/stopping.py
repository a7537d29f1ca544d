"""Stops a build at its next sign of progress: one that was told to stop, or that lost its output to another one."""

from flows.interrupt import stop_if_heard
from flows.progress import Listener
from generators.base import TrainingProgress
from pipelines.fill.loop import StratumProgress
from pipelines.storage.lock import Hold


class Stopping(Listener):
    """Raises KeyboardInterrupt at the next sign of progress after Ctrl-C or SIGTERM, which a library may let pass."""

    def step(self, name: str) -> None:  # noqa: ARG002 (the protocol's)
        """Stop before a step."""
        stop_if_heard()

    def trained(self, progress: TrainingProgress) -> None:  # noqa: ARG002
        """Stop while the model is trained."""
        stop_if_heard()

    def filled(self, progress: StratumProgress) -> None:  # noqa: ARG002
        """Stop while the classes are filled."""
        stop_if_heard()


class Fenced(Listener):
    """Raises LostError at the next sign of progress after another build took the output over."""

    def __init__(self, hold: Hold) -> None:
        self._hold = hold

    def step(self, name: str) -> None:  # noqa: ARG002 (the protocol's)
        """Look before a step."""
        self._hold.check()

    def trained(self, progress: TrainingProgress) -> None:  # noqa: ARG002
        """Stop while the model is trained, if there is reason to."""
        self._hold.stop_if_lost()

    def filled(self, progress: StratumProgress) -> None:  # noqa: ARG002
        """Stop while the classes are filled, if there is reason to."""
        self._hold.stop_if_lost()
