"""The state of a training that survives a kill: its position, its parts, all global random states. Knows no model."""

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
    """An object whose state is tensors and plain values: a network, an optimizer, the order of batches."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> object:
        """Replace the state."""


class Learnt:
    """The part of a network that training changes: its buffers, and the weights that learn.

    Frozen weights are left out: they belong to a pretrained model, and may be a hundred times as large.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        learnt = {name for name, weight in network.named_parameters() if weight.requires_grad}
        self._left_out = {name for name, _ in network.named_parameters(remove_duplicate=False)} - learnt

    def state_dict(self) -> dict[str, Any]:
        """Return the weights and buffers by their names in the network."""
        return {name: value for name, value in self._network.state_dict().items() if name not in self._left_out}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Replace these weights and buffers; raises ValueError if the names are those of another network."""
        if state_dict.keys() != self.state_dict().keys():
            raise ValueError("the weights are those of another network")
        self._network.load_state_dict(state_dict, strict=False)


@dataclass
class Position:
    """How far a training is: its step, the least held-out loss so far, and the looks since that one.

    `seconds` is the time that the training took up to here, over all its starts.
    """

    step: int = 0
    best: float = math.inf
    worse: int = 0
    best_weights: dict[str, Tensor] | None = None
    seconds: float = 0.0

    def note(self, loss: float, model: Stateful) -> None:
        """Record the loss of a look, and keep the model's weights if the loss is the least so far."""
        self.worse += 1
        if loss < self.best:
            weights = {name: weight.detach().to("cpu", copy=True) for name, weight in model.state_dict().items()}
            self.best, self.worse, self.best_weights = loss, 0, weights


def pack(position: Position, parts: Mapping[str, Stateful]) -> bytes:
    """Return everything that the rest of the training depends on, as bytes."""
    content = {
        "parts": {name: part.state_dict() for name, part in parts.items()},
        "position": vars(position),
        "random": _random_state(),
    }
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def restore(kept: bytes | None, parts: Mapping[str, Stateful]) -> Position:
    """Set all parts and random states as they were packed, and return the position; a start if `kept` is None.

    Each part stays on its device. Only tensors and plain values are read from the file, so no code in it can run.
    Raises GeneratorError if `pack` did not write it for these parts.
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
    """Return the global random states of torch (CPU and the GPUs in use), numpy and Python."""
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
