"""Trains a causal language model on rows of tokens. Knows no text and no file; randomness is torch's global state."""

import copy
import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from generators.device import precision

log = logging.getLogger(__name__)

_IGNORED = -100  # of a target that is not learnt
_SORTED_TOGETHER = 16  # batches whose rows are sorted by length, so that little of a batch is padding
_WARM_UP = 0.05


@dataclass(frozen=True)
class Settings:
    """How long and how fast to learn."""

    epochs: int
    max_steps: int | None
    max_minutes: float | None
    batch_rows: int
    learning_rate: float
    weight_decay: float
    patience: int


@dataclass(frozen=True)
class Rows:
    """Rows of tokens that begin with a prompt of `prompt` tokens, the class of each, and how often each is drawn."""

    tokens: Sequence[list[int]]
    classes: NDArray[np.int64]
    weights: NDArray[np.float64]
    prompt: int
    pad: int

    def take(self, places: NDArray[np.int64]) -> "Rows":
        """Return some of the rows."""
        tokens = [self.tokens[place] for place in places]
        return Rows(tokens, self.classes[places], self.weights[places], self.prompt, self.pad)


def train(model: Any, rows: Rows, held: Rows, settings: Settings, device: str, rng: np.random.Generator) -> float:
    """Train the model's trainable parameters in place, on `device`; return the loss on `held` of the state it keeps.

    AdamW, warm-up and cosine decay, gradients cut to length 1, bfloat16 on a GPU. An epoch is as many draws as there
    are rows. The state with the least loss on `held` (each class counts alike) is kept; training ends early after
    `patience` epochs without a better one. Without held-out rows the last state is kept.
    """
    from transformers import get_cosine_schedule_with_warmup

    model.to(device).train()
    steps_of_epoch = max(1, math.ceil(len(rows.tokens) / settings.batch_rows))
    steps = min(settings.epochs * steps_of_epoch, settings.max_steps or 2**62)
    optimizer = torch.optim.AdamW(_groups(model, settings.weight_decay), settings.learning_rate, (0.9, 0.98))
    schedule = get_cosine_schedule_with_warmup(optimizer, math.ceil(steps * _WARM_UP), steps)
    until = time.monotonic() + 60 * (settings.max_minutes or math.inf)
    best, state, worse, losses = math.inf, None, 0, []
    for step, batch in enumerate(_batches(rows, steps, settings.batch_rows, rng), 1):
        losses.append(_step(model, batch, rows, optimizer, schedule, device))
        if step % steps_of_epoch and step < steps and time.monotonic() < until:
            continue
        loss = held_out_loss(model, held, settings.batch_rows, device) if held.tokens else -float(step)
        log.info("step %d of %d: loss %.3f, held out %.3f", step, steps, float(np.mean(losses)), loss)
        worse, losses = worse + 1, []
        if loss < best:
            best, worse, state = loss, 0, _copy(model) if held.tokens else None
        if worse >= settings.patience or time.monotonic() >= until:
            break
    if state is not None:
        model.load_state_dict(state, strict=False)
    model.to("cpu").eval()
    return best


def _groups(model: Any, decay: float) -> list[dict[str, Any]]:
    """Return the trainable parameters; those of one dimension (biases, norms) do not decay."""
    learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in learnt if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in learnt if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _copy(model: Any) -> dict[str, torch.Tensor]:
    learnt = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    return {name: copy.deepcopy(t.detach().cpu()) for name, t in model.state_dict().items() if name in learnt}


def _batches(rows: Rows, steps: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of each step: drawn by weight, those of some steps sorted by length and mixed again by batch."""
    lengths = np.fromiter(map(len, rows.tokens), np.int64, len(rows.tokens))
    chances = rows.weights / rows.weights.sum()
    for begin in range(0, steps, _SORTED_TOGETHER):
        count = min(_SORTED_TOGETHER, steps - begin)
        drawn = rng.choice(len(lengths), count * size, p=chances)
        ordered = drawn[np.argsort(lengths[drawn], kind="stable")].reshape(count, size)
        yield from ordered[rng.permutation(count)]


def _step(model: Any, batch: NDArray[np.int64], rows: Rows, optimizer: Any, schedule: Any, device: str) -> float:
    loss = _loss(model, rows.take(batch), device)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    return float(loss.detach())


def _loss(model: Any, rows: Rows, device: str) -> torch.Tensor:
    """Return the mean loss of the tokens after the prompt."""
    longest = max(map(len, rows.tokens))
    tokens = torch.full((len(rows.tokens), longest), rows.pad)
    there = torch.zeros((len(rows.tokens), longest), dtype=torch.long)
    for number, row in enumerate(rows.tokens):
        tokens[number, : len(row)] = torch.tensor(row)
        there[number, : len(row)] = 1
    targets = tokens.masked_fill(there == 0, _IGNORED)
    targets[:, : rows.prompt] = _IGNORED
    with precision(device):
        done = model(input_ids=tokens.to(device), attention_mask=there.to(device), labels=targets.to(device))
    loss: torch.Tensor = done.loss.float()
    return loss


@torch.no_grad()
def held_out_loss(model: Any, held: Rows, batch_rows: int, device: str) -> float:
    """Return the mean over classes of the mean loss a batch; the model is left in training mode."""
    model.eval()
    means = []
    for number in np.unique(held.classes):
        places = np.flatnonzero(held.classes == number)
        batches = [held.take(places[at : at + batch_rows]) for at in range(0, len(places), batch_rows)]
        means.append(
            np.average([float(_loss(model, b, device)) for b in batches], weights=[len(b.tokens) for b in batches])
        )
    model.train()
    return float(np.mean(means))
