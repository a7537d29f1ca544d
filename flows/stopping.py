"""Stops a build at its next sign of progress, where it was told to stop and a library let that pass."""

from flows.interrupt import stop_if_heard
from flows.progress import Listener
from generators.base import TrainingProgress
from pipelines.fill import StratumProgress


class Stopping(Listener):
    """Raises KeyboardInterrupt at the next sign of progress after Ctrl-C or SIGTERM."""

    def step(self, name: str) -> None:  # noqa: ARG002 (the protocol's)
        """Stop before a step."""
        stop_if_heard()

    def trained(self, progress: TrainingProgress) -> None:  # noqa: ARG002
        """Stop while the model is trained."""
        stop_if_heard()

    def filled(self, progress: StratumProgress) -> None:  # noqa: ARG002
        """Stop while the classes are filled."""
        stop_if_heard()
