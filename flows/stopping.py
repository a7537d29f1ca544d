"""Stops a build at its next sign of progress, after a stop signal or the loss of its lock."""

from flows.interrupt import stop_if_requested
from flows.progress import Listener
from generators.base import TrainingProgress
from pipelines.fill.loop import StratumProgress
from pipelines.storage.lock import Hold


class StopWhenAsked(Listener):
    """Raises KeyboardInterrupt at the next sign of progress after a stop signal, which a library may have swallowed."""

    def step(self, name: str) -> None:  # noqa: ARG002 (the protocol's)
        """Stop before a step."""
        stop_if_requested()

    def trained(self, progress: TrainingProgress) -> None:  # noqa: ARG002
        """Stop while the model is trained."""
        stop_if_requested()

    def filled(self, progress: StratumProgress) -> None:  # noqa: ARG002
        """Stop while the classes are filled."""
        stop_if_requested()


class StopWhenLost(Listener):
    """Raises LostError at the next sign of progress after another build took the output over."""

    def __init__(self, hold: Hold) -> None:
        self._hold = hold

    def step(self, name: str) -> None:  # noqa: ARG002 (the protocol's)
        """Check the lock before a step."""
        self._hold.check()

    def trained(self, progress: TrainingProgress) -> None:  # noqa: ARG002
        """Check the lock during the training."""
        self._hold.stop_if_lost()

    def filled(self, progress: StratumProgress) -> None:  # noqa: ARG002
        """Check the lock during the fill."""
        self._hold.stop_if_lost()
