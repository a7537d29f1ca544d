"""Measures the perplexity of texts by a causal language model. Knows no rows."""

from collections.abc import Sequence
from typing import Any

from generators.random import seeded
from generators.text.pretrained import context_length, load_pretrained, quiet
from schemas.errors import GeneratorError

_ROWS, _MOST_TOKENS, _IGNORED = 8, 512, -100


class LanguageModel:
    """A pretrained causal language model, on the CPU."""

    def __init__(self, name: str) -> None:
        """Load the model from a local folder or by its hub id; raises GeneratorError where that fails."""
        self._model, self._tokenizer = load_pretrained("causal", name)
        self._most = min(_MOST_TOKENS, context_length(self._model) or _MOST_TOKENS)
        self._start = self._tokenizer.bos_token_id
        if self._start is None:
            self._start = self._tokenizer.eos_token_id
        if self._start is None:
            raise GeneratorError(
                f"model {name!r}: its tokenizer has no token that begins or ends a text; set bos_token"
            )

    def perplexity(self, texts: Sequence[str]) -> float | None:
        """Return exp of the mean loss per token, over all texts; None where there is no token.

        Each text follows a token that begins or ends a text, and is cut at the end of the model's context (512 tokens
        at most).
        """
        import torch
        from torchmetrics.text import Perplexity

        rows = [self._tokenize(text) for text in texts]
        rows = [row for row in rows if len(row) > 1]
        if not rows:
            return None
        rows.sort(key=len)  # texts of like lengths share a batch
        metric = Perplexity(ignore_index=_IGNORED)
        with seeded(0), torch.inference_mode():
            for start in range(0, len(rows), _ROWS):
                tokens, seen = self._pad(rows[start : start + _ROWS])
                scores = self._model(input_ids=tokens, attention_mask=seen).logits
                metric.update(scores[:, :-1].float(), tokens.masked_fill(seen == 0, _IGNORED)[:, 1:])
            return float(metric.compute())

    def _tokenize(self, text: str) -> list[int]:
        with quiet():  # a text may be longer than the context
            tokens = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return [self._start, *tokens][: self._most]

    def _pad(self, rows: list[list[int]]) -> tuple[Any, Any]:
        """Return the padded tokens and their mask, each of shape (rows, longest)."""
        import torch

        width = max(map(len, rows))
        tokens = torch.tensor([row + [self._start] * (width - len(row)) for row in rows])
        seen = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
        return tokens, seen
