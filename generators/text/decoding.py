"""Writes texts with a language model, many at once. Knows no text; randomness is torch's global state."""

from dataclasses import dataclass
from typing import Any

import torch

_LOOK = 8  # steps between looks at which rows have ended: a look makes a GPU wait
_FULL = 0.75  # rows that have ended are taken out of the batch when fewer than this share of it goes on


@dataclass(frozen=True)
class Choice:
    """How the next token is chosen, and the tokens that end a row, fill it up, or are never written."""

    temperature: float
    top_p: float
    repetition_penalty: float
    no_repeat_ngram: int
    end: int
    pad: int
    silent: list[int]


@torch.inference_mode()
def write(model: Any, prompt: list[int], rows: int, most: int, choice: Choice, device: str) -> list[list[int]]:
    """Return `rows` rows of at most `most` tokens that follow the prompt, without the end and what is after it.

    All rows begin with the same prompt, so no batch needs padding. Keys and values are cached; rows that have ended
    leave the batch. What is drawn depends on the arguments and the random state alone.
    """
    from transformers import DynamicCache

    process = _processors(choice, device)
    cache = DynamicCache(config=model.config)
    written = torch.full((rows, len(prompt) + most), choice.pad, device=device)
    written[:, : len(prompt)] = torch.tensor(prompt, device=device)
    alive = torch.arange(rows, device=device)
    going = torch.ones(rows, dtype=torch.bool, device=device)
    new = written[:, : len(prompt)]
    for at in range(len(prompt), len(prompt) + most):
        logits = model(input_ids=new, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1]
        scores = process(written[alive, :at], logits.float())
        new = torch.multinomial(scores.softmax(dim=-1), 1)
        new = torch.where(going[:, None], new, choice.end)
        written[alive, at] = new[:, 0]
        going = going & (new[:, 0] != choice.end)
        if at % _LOOK == 0 and int(going.sum()) < _FULL * len(going):
            kept = going.nonzero()[:, 0]
            if not len(kept):
                break
            cache.batch_select_indices(kept)
            alive, new, going = alive[kept], new[kept], going[kept]
    return [_until(row, choice.end) for row in written[:, len(prompt) : at + 1].tolist()]


def _until(row: list[int], end: int) -> list[int]:
    return row[: row.index(end)] if end in row else row


def _processors(choice: Choice, device: str) -> Any:
    """Return transformers' own processors, in the order in which `generate` applies them."""
    from transformers import LogitsProcessorList
    from transformers.generation import logits_process as steps

    made: list[Any] = []
    if choice.repetition_penalty > 1:
        made.append(steps.RepetitionPenaltyLogitsProcessor(choice.repetition_penalty))
    if choice.no_repeat_ngram:
        made.append(steps.NoRepeatNGramLogitsProcessor(choice.no_repeat_ngram))
    made.append(steps.SuppressTokensLogitsProcessor(choice.silent, device=device))
    if choice.temperature != 1:
        made.append(steps.TemperatureLogitsWarper(choice.temperature))
    if choice.top_p < 1:
        made.append(steps.TopPLogitsWarper(choice.top_p))
    return LogitsProcessorList(made)
