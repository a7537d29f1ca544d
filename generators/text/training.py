"""Trains a causal language model on batches of rows of tokens. Knows no text, no file and no loop.

The order comes from a numpy generator; all other randomness is torch's global state.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from generators import training as loop
from generators.base import Training
from generators.device import mixed_precision

_IGNORED = -100  # the target of a token that is not learnt
_SORTED_TOGETHER = 16  # batches whose rows are sorted by length together, so that they hold little padding
_WARM_UP = 0.05


@dataclass(frozen=True)
class Settings:
    """How long and how fast to train."""

    epochs: int
    max_steps: int | None
    max_minutes: float | None
    batch_rows: int
    learning_rate: float
    weight_decay: float
    patience: int


@dataclass(frozen=True)
class Rows:
    """Rows of tokens, each with a prompt of `prompt` tokens first, its class, and the weight by which it is drawn."""

    tokens: Sequence[list[int]]
    classes: NDArray[np.int64]
    weights: NDArray[np.float64]
    prompt: int
    pad: int

    def take(self, rows: NDArray[np.int64]) -> "Rows":
        """Return the selected rows."""
        tokens = [self.tokens[row] for row in rows]
        return Rows(tokens, self.classes[rows], self.weights[rows], self.prompt, self.pad)


def train(
    model: Any,
    rows: Rows,
    held_out: Rows,
    settings: Settings,
    device: str,
    rng: np.random.Generator,
    training: Training,
) -> None:
    """Train the model's trainable parameters in place, on `device`; it ends on the CPU.

    The optimizer is AdamW with warm-up and cosine decay; gradients are cut to length 1, and a GPU computes in bfloat16.
    An epoch is as many draws as there are rows. After each comes a look at the loss on `held_out` (each class weighs
    the same), and training ends early after `patience` looks without a lower loss (see `generators.training.train`).
    """
    loop_settings = _training_settings(settings, len(rows.tokens))
    order = SortedBatches(rows, loop_settings.steps, settings.batch_rows, rng)
    loop.train(_TokensTask(model.to(device), rows, held_out, settings, order), loop_settings, training)


def _training_settings(settings: Settings, rows: int) -> loop.Settings:
    """Return the settings of the training loop for so many rows."""
    epoch = max(1, math.ceil(rows / settings.batch_rows))
    steps = min(settings.epochs * epoch, settings.max_steps or 2**62)
    return loop.Settings(
        steps=steps,
        schedule=_Schedule(steps, math.ceil(steps * _WARM_UP)),
        look_every=epoch,
        report_every=max(1, epoch // loop.REPORTS),
        keep_every=loop.KEEP_EVERY,
        patience=settings.patience,
        seconds=60 * (settings.max_minutes or math.inf),
    )


@dataclass(frozen=True)
class _Schedule:
    """The learning rate of language models: 0 at the first step, and rounded as transformers rounds it."""

    steps: int
    warm_up: int

    def __call__(self, step: int) -> float:
        """Return the share of the highest rate at a step."""
        if step < self.warm_up:
            return step / self.warm_up
        done = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        return max(0.0, 0.5 * (1 + math.cos(math.pi * done)))


class SortedBatches:
    """The rows of each step: drawn by weight, sorted by length over some steps, then shuffled by batch."""

    def __init__(self, rows: Rows, steps: int, size: int, rng: np.random.Generator) -> None:
        self._lengths = np.fromiter(map(len, rows.tokens), np.int64, len(rows.tokens))
        self._chances = rows.weights / rows.weights.sum()
        self._size, self._rng, self._left = size, rng, steps
        self._drawn: list[list[int]] = []

    def draw(self) -> NDArray[np.int64]:
        """Return the rows of the next step."""
        if not self._drawn:
            self._drawn = self._draw_batches(min(_SORTED_TOGETHER, self._left))
            self._left -= len(self._drawn)
        return np.array(self._drawn.pop(0))

    def _draw_batches(self, steps: int) -> list[list[int]]:
        drawn = self._rng.choice(len(self._lengths), steps * self._size, p=self._chances)
        ordered = drawn[np.argsort(self._lengths[drawn], kind="stable")].reshape(steps, self._size)
        batches: list[list[int]] = ordered[self._rng.permutation(steps)].tolist()
        return batches

    def state_dict(self) -> dict[str, Any]:
        """Return the batches that are drawn and unused, the number of steps after them, and the generator's state."""
        return {"drawn": self._drawn, "left": self._left, "rng": self._rng.bit_generator.state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a state."""
        self._drawn, self._left = list(state_dict["drawn"]), state_dict["left"]
        self._rng.bit_generator.state = state_dict["rng"]


class _TokensTask:
    """Trains the model to predict the tokens after the prompt."""

    def __init__(self, model: Any, rows: Rows, held_out: Rows, settings: Settings, order: SortedBatches) -> None:
        self.network: nn.Module = model
        self.result: nn.Module = model
        self.order = order
        self._optimizer = torch.optim.AdamW(
            _parameter_groups(model, settings.weight_decay), settings.learning_rate, (0.9, 0.98)
        )
        self.optimizers = [self._optimizer]
        self._rows, self._held_out, self._batch_rows = rows, held_out, settings.batch_rows

    def learn(self) -> Tensor:
        """Do one step on one batch."""
        loss = _loss(self.network, self._rows.take(self.order.draw()))
        loop.descend(self._optimizer, loss, 1.0, self.network.parameters())
        return loss.detach()

    def judge(self, model: nn.Module) -> float | None:
        """Return the loss on held-out rows, or None if there are none."""
        return held_out_loss(model, self._held_out, self._batch_rows) if self._held_out.tokens else None


def _parameter_groups(model: Any, decay: float) -> list[dict[str, Any]]:
    """Return the trainable parameters; those of one dimension (biases, norms) do not decay."""
    learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in learnt if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in learnt if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _loss(model: Any, rows: Rows) -> Tensor:
    """Return the mean loss of the tokens after the prompt."""
    device = next(model.parameters()).device
    longest = max(map(len, rows.tokens))
    tokens = torch.full((len(rows.tokens), longest), rows.pad)
    mask = torch.zeros((len(rows.tokens), longest), dtype=torch.long)
    for number, row in enumerate(rows.tokens):
        tokens[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
    targets = tokens.masked_fill(mask == 0, _IGNORED)
    targets[:, : rows.prompt] = _IGNORED
    with mixed_precision(device.type):
        output = model(input_ids=tokens.to(device), attention_mask=mask.to(device), labels=targets.to(device))
    loss: Tensor = output.loss.float()
    return loss


def held_out_loss(model: Any, held_out: Rows, batch_rows: int) -> float:
    """Return the mean over classes of the mean loss of a batch."""
    means = []
    for number in np.unique(held_out.classes):
        members = np.flatnonzero(held_out.classes == number)
        batches = [held_out.take(members[start : start + batch_rows]) for start in range(0, len(members), batch_rows)]
        means.append(np.average([float(_loss(model, b)) for b in batches], weights=[len(b.tokens) for b in batches]))
    return float(np.mean(means))
