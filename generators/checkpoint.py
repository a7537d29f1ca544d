"""What of a training outlives a kill: where it is, the state of its parts, and torch's randomness. Knows no model."""

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from schemas.errors import GeneratorError


class Stateful(Protocol):
    """A network or an optimizer."""

    def state_dict(self) -> dict[str, Any]:
        """Return its state."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> object:
        """Take on a state."""


@dataclass
class Position:
    """Where a training is, beside the state of its parts: the least loss so far, and the looks since then."""

    step: int = 0
    best: float = math.inf
    worse: int = 0
    best_weights: dict[str, Tensor] | None = None

    def note(self, loss: float, model: nn.Module) -> None:
        """Take note of a look's loss, and of the model's weights if it is the least."""
        self.worse += 1
        if loss < self.best:
            weights = {name: weight.detach().cpu().clone() for name, weight in model.state_dict().items()}
            self.best, self.worse, self.best_weights = loss, 0, weights


def pack(position: Position, parts: Mapping[str, Stateful]) -> bytes:
    """Return all that the rest of the training depends on."""
    content = {
        "parts": {name: part.state_dict() for name, part in parts.items()},
        "position": vars(position),
        "random": torch.get_rng_state(),
        "random_gpu": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],  # type: ignore[no-untyped-call]
    }
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def restore(kept: bytes | None, parts: Mapping[str, Stateful], device: str) -> Position:
    """Set everything as it was packed, or for a start, and return where the training is.

    Of the file tensors and plain values alone are read: no code of it can run. Raises GeneratorError if it is not what
    `pack` made of these parts.
    """
    if kept is None:
        return Position()
    try:
        content = torch.load(io.BytesIO(kept), map_location=device, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(content["parts"][name])
        torch.set_rng_state(content["random"].cpu())
        if content["random_gpu"]:
            torch.cuda.set_rng_state_all([state.cpu() for state in content["random_gpu"]])
        return Position(**content["position"])
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # torch raises whatever it stumbles over
        raise GeneratorError(
            f"the state that the training was to go on from cannot be read ({type(error).__name__}); remove the folder"
            " of this build in .makeweight/models that ends in .training, and the training begins anew"
        ) from error
