"""What of a training outlives a kill: where it is, the state of its parts, all global randomness. Knows no model."""

import io
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from schemas.errors import GeneratorError


class Stateful(Protocol):
    """A network, an optimizer, or what draws batches: its state is tensors and plain values."""

    def state_dict(self) -> dict[str, Any]:
        """Return its state."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> object:
        """Take on a state."""


class Learnt:
    """What training changes of a network: its buffers, and the weights that learn, each once.

    The other weights are those of a given model, which may be a hundred times as large.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        learnt = {name for name, weight in network.named_parameters() if weight.requires_grad}
        self._left_out = {name for name, _ in network.named_parameters(remove_duplicate=False)} - learnt

    def state_dict(self) -> dict[str, Any]:
        """Return the weights and buffers by their names in the network."""
        return {name: value for name, value in self._network.state_dict().items() if name not in self._left_out}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put them back; raises ValueError if they are of another network."""
        if state_dict.keys() != self.state_dict().keys():
            raise ValueError("the weights are those of another network")
        self._network.load_state_dict(state_dict, strict=False)


@dataclass
class Position:
    """Where a training is, beside the state of its parts: the least loss so far, and the looks since then.

    `seconds` is how long it took up to here, in all its starts.
    """

    step: int = 0
    best: float = math.inf
    worse: int = 0
    best_weights: dict[str, Tensor] | None = None
    seconds: float = 0.0

    def note(self, loss: float, model: Stateful) -> None:
        """Take note of a look's loss, and of the model's weights if it is the least."""
        self.worse += 1
        if loss < self.best:
            weights = {name: weight.detach().to("cpu", copy=True) for name, weight in model.state_dict().items()}
            self.best, self.worse, self.best_weights = loss, 0, weights


def pack(position: Position, parts: Mapping[str, Stateful]) -> bytes:
    """Return all that the rest of the training depends on."""
    content = {
        "parts": {name: part.state_dict() for name, part in parts.items()},
        "position": vars(position),
        "random": _random_state(),
    }
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def restore(kept: bytes | None, parts: Mapping[str, Stateful]) -> Position:
    """Set everything as it was packed, or for a start, and return where the training is.

    Each part stays on its device. Of the file tensors and plain values alone are read: no code of it can run. Raises
    GeneratorError if it is not what `pack` made of these parts.
    """
    if kept is None:
        return Position()
    try:
        content = torch.load(io.BytesIO(kept), map_location="cpu", weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(content["parts"][name])
        _set_random_state(content["random"])
        return Position(**content["position"])
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # torch raises whatever it stumbles over
        raise GeneratorError(
            f"the state that the training was to go on from cannot be read ({type(error).__name__}); remove the folder"
            " of this build in .makeweight/models that ends in .training, and the training begins anew"
        ) from error


def _random_state() -> dict[str, Any]:
    """Return the global state of torch, on the CPU and on GPUs that are in use, of numpy and of Python."""
    kind, key, *rest = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "gpus": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],  # type: ignore[no-untyped-call]
        "numpy": (kind, np.asarray(key).tolist(), *rest),
        "python": random.getstate(),
    }


def _set_random_state(state: Mapping[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    if state["gpus"]:
        torch.cuda.set_rng_state_all(state["gpus"])
    np.random.set_state(state["numpy"])
    random.setstate(state["python"])
