"""Samples many texts at once from a language model. Knows no text; randomness is torch's global state."""

from dataclasses import dataclass
from typing import Any

import torch

_LOOK = 8  # steps between two checks of which rows have ended: a check makes a GPU wait
_FULL = 0.75  # ended rows are removed from the batch when a smaller share of it is unfinished


@dataclass(frozen=True)
class Choice:
    """How the next token is chosen; `end` ends a row, `pad` fills it up, and `silent` tokens are never written."""

    temperature: float
    top_p: float
    repetition_penalty: float
    no_repeat_ngram: int
    end: int
    pad: int
    silent: list[int]


@torch.inference_mode()
def write(model: Any, prompt: list[int], rows: int, most: int, choice: Choice, device: str) -> list[list[int]]:
    """Return `rows` rows of at most `most` tokens that follow the prompt, cut before the end token.

    All rows begin with the same prompt, so no batch needs padding. Keys and values are cached; ended rows leave the
    batch. The result depends on the arguments and the random state alone.
    """
    from transformers import DynamicCache

    process = _make_processors(choice, device)
    cache = DynamicCache(config=model.config)
    written = torch.full((rows, len(prompt) + most), choice.pad, device=device)
    written[:, : len(prompt)] = torch.tensor(prompt, device=device)
    alive = torch.arange(rows, device=device)
    going = torch.ones(rows, dtype=torch.bool, device=device)
    new = written[:, : len(prompt)]
    for position in range(len(prompt), len(prompt) + most):
        logits = model(input_ids=new, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1]
        scores = process(written[alive, :position], logits.float())
        new = torch.multinomial(scores.softmax(dim=-1), 1)
        new = torch.where(going[:, None], new, choice.end)
        written[alive, position] = new[:, 0]
        going = going & (new[:, 0] != choice.end)
        if position % _LOOK == 0 and int(going.sum()) < _FULL * len(going):
            unfinished = going.nonzero()[:, 0]
            if not len(unfinished):
                break
            cache.batch_select_indices(unfinished)
            alive, new, going = alive[unfinished], new[unfinished], going[unfinished]
    return [_cut_at_end(row, choice.end) for row in written[:, len(prompt) : position + 1].tolist()]


def _cut_at_end(row: list[int], end: int) -> list[int]:
    return row[: row.index(end)] if end in row else row


def _make_processors(choice: Choice, device: str) -> Any:
    """Return transformers' own processors, in the order in which `generate` applies them."""
    from transformers import LogitsProcessorList
    from transformers.generation import logits_process as steps

    processors: list[Any] = []
    if choice.repetition_penalty > 1:
        processors.append(steps.RepetitionPenaltyLogitsProcessor(choice.repetition_penalty))
    if choice.no_repeat_ngram:
        processors.append(steps.NoRepeatNGramLogitsProcessor(choice.no_repeat_ngram))
    processors.append(steps.SuppressTokensLogitsProcessor(choice.silent, device=device))
    if choice.temperature != 1:
        processors.append(steps.TemperatureLogitsWarper(choice.temperature))
    if choice.top_p < 1:
        processors.append(steps.TopPLogitsWarper(choice.top_p))
    return LogitsProcessorList(processors)
