"""Pretrained text encoders of transformers, from a local folder or a hub id. Knows no validator.

Texts are padded to a multiple of 32 tokens and encoded 32 at a time, so that a text's vector does not depend on the
texts around it: batches of other shapes would change the last digits.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from generators.hub import pickle_note
from generators.random import seeded
from generators.text.pretrained import context_length, quiet
from schemas.errors import MakeweightError

_ROWS, _STEP, _LONGEST = 32, 32, 512
Floats = NDArray[np.float64]


class Encoder:
    """A pretrained text model, on a GPU if there is one."""

    def __init__(self, name: str, task: Literal["embed", "classify"]) -> None:
        """Load the model; raises MakeweightError where the name leads to none, or to none for that task."""
        import torch

        model, self._tokenizer = _load_model(name, task)
        self._model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        context = min(_LONGEST, context_length(model) or _LONGEST)
        self._longest = context - context % _STEP or context

    @property
    def labels(self) -> list[str]:
        """The classes of a classifier, in the order of `scores`."""
        return [str(name) for _, name in sorted(self._model.config.id2label.items())]

    def vectors(self, texts: Sequence[str]) -> Floats:
        """Return the mean of each text's token vectors, scaled to length 1; shape (texts, width)."""
        return self._encode(texts, lambda out, mask: _mean_vector(out.last_hidden_state, mask))

    def scores(self, texts: Sequence[str]) -> Floats:
        """Return each class's probability; shape (texts, classes)."""
        return self._encode(texts, lambda out, _: out.logits.softmax(dim=-1))

    def _encode(self, texts: Sequence[str], pick: Callable[[Any, Any], Any]) -> Floats:
        """Return `pick` of the model's output, for each text; texts of similar length share a batch."""
        tokens = self._tokenizer(list(texts), truncation=True, max_length=self._longest)["input_ids"] if texts else []
        widths = np.array([min(self._longest, -(-max(1, len(row)) // _STEP) * _STEP) for row in tokens], np.int64)
        rows: list[Floats | None] = [None] * len(tokens)
        for width in np.unique(widths):
            members = np.flatnonzero(widths == width)
            for start in range(0, len(members), _ROWS):
                part = members[start : start + _ROWS]
                outputs = self._encode_batch([tokens[member] for member in part], int(width), pick)
                for member, row in zip(part, outputs, strict=False):
                    rows[member] = row
        return np.array(rows, np.float64).reshape(len(rows), -1)

    def _encode_batch(self, tokens: list[list[int]], width: int, pick: Callable[[Any, Any], Any]) -> Floats:
        import torch

        ids = torch.full((_ROWS, width), self._tokenizer.pad_token_id or 0)
        mask = torch.zeros_like(ids)
        mask[:, 0] = 1  # rows that fill the batch up see one token
        for row, text in enumerate(tokens):
            ids[row, : len(text)] = torch.tensor(text, dtype=ids.dtype)
            mask[row, : len(text)] = 1
        ids, mask = ids.to(self._model.device), mask.to(self._model.device)
        with torch.inference_mode():
            outputs: Floats = pick(self._model(input_ids=ids, attention_mask=mask), mask).double().cpu().numpy()
        return outputs


def _mean_vector(states: Any, mask: Any) -> Any:
    """Return the mean over the tokens of each text (Reimers and Gurevych 2019), scaled to length 1."""
    import torch

    weights = mask.unsqueeze(-1).to(states.dtype)
    return torch.nn.functional.normalize((states * weights).sum(1) / weights.sum(1).clamp(min=1), dim=-1)


def _load_model(name: str, task: str) -> tuple[Any, Any]:
    """Return the model and its tokenizer; the global random state stays as it is."""
    import torch
    import transformers

    if note := pickle_note(name):
        raise MakeweightError(f"cannot load {name!r} as a model of texts: {note}")
    loader = transformers.AutoModel if task == "embed" else transformers.AutoModelForSequenceClassification
    with quiet(), seeded(0):  # a model is filled with random weights before the file's are read
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(name, trust_remote_code=False)
            model, info = loader.from_pretrained(
                name, dtype=torch.float32, output_loading_info=True, use_safetensors=True, trust_remote_code=False
            )
        except (OSError, ValueError, ImportError, KeyError) as error:
            raise MakeweightError(
                f"cannot load {name!r} as a model of texts: {_first_line(error)}; give a folder that transformers'"
                " save_pretrained wrote (model and tokenizer), or a hub id that can be reached"
            ) from error
    if task == "classify" and info["missing_keys"]:
        raise MakeweightError(
            f"{name!r} is no classifier: its files lack {', '.join(sorted(info['missing_keys'])[:3])}; give a model"
            " that was trained for text classification"
        )
    return model, tokenizer


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
