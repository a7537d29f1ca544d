"""Rewrites real texts by encoder-decoder models: paraphrases, summaries, or translation there and back."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field, field_validator

from generators import base
from generators.classes import check_class_known, check_class_sizes, rows_by_class
from generators.random import seeded
from generators.text.pretrained import context_length, load_pretrained, quiet
from generators.text.prompts import check_template
from generators.text.rows import text_table, texts_of
from schemas.access import Touch
from schemas.errors import GeneratorError
from schemas.plan import SampleRequest

_ROUNDS = 4  # of writing again instead of empty texts
_NOTHING = "-"  # replaces a text that the model does not write; any check of length rejects it


class Seq2SeqParams(base.Params):
    """Parameters of the models, their prompts and their sampling."""

    model: Annotated[str, Touch("models")] = Field(
        min_length=1, description="A local folder or hub id of an encoder-decoder model."
    )
    back: Annotated[str | None, Touch("models")] = Field(
        None, min_length=1, description="A second one that translates back what the first wrote."
    )
    prompt: str = Field("{text}", description="What the first model reads, such as 'paraphrase: {text}'.")
    back_prompt: str = Field("{text}", description="What the second model reads.")
    languages: tuple[str, str] | None = Field(
        None, description="Codes of the texts' language and the other one, for models of many (NLLB, mBART, M2M100)."
    )
    read_tokens: int = Field(512, ge=1, description="Tokens of a prompt and its text that a model reads, at most.")
    max_tokens: int = Field(256, ge=1, description="Longest text that is written, in tokens.")
    temperature: float = Field(1.0, gt=0, le=5, description="Spread of the choice of the next token.")
    top_p: float = Field(0.95, gt=0, le=1, description="The next token is among the likeliest of so much probability.")
    repetition_penalty: float = Field(1.0, ge=1, le=5, description="Above 1, tokens that were written are less likely.")
    no_repeat_ngram: int = Field(0, ge=0, description="No run of so many tokens is written twice in a text; 0: any.")
    sample_rows: int = Field(64, ge=1, description="Texts written at once; on a GPU it changes the texts.")

    @field_validator("prompt", "back_prompt")
    @classmethod
    def _is_template(cls, prompt: str) -> str:
        if "{text}" not in check_template(prompt, ("text",)):
            raise ValueError(f"must hold {{text}}, got {prompt!r}")
        return prompt


@dataclass(frozen=True)
class _Writer:
    """A model with its tokenizer, the prompt around a text, and the languages that it reads and writes."""

    model: Any
    tokenizer: Any
    prompt: str
    name: str
    languages: tuple[str, str] | None


class Seq2Seq:
    """Rewrites real rows of the class: by one model, or by two for back-translation (Sennrich et al. 2016).

    The models are not trained. Texts longer than a model's context or `read_tokens` are cut. Texts are sampled, not
    searched by beams, so that one real text gives many others.

    Example:
        generator:
          name: seq2seq
          params:
            model: Helsinki-NLP/opus-mt-en-de
            back: Helsinki-NLP/opus-mt-de-en

    """

    Params = Seq2SeqParams
    capabilities: ClassVar[base.Capabilities] = base.Capabilities(
        modalities=("text",), origin="augmented", max_chunk_rows=256, uses_gpu=True
    )

    def __init__(self, params: Seq2SeqParams) -> None:
        self.params = params
        self._device = "cpu"

    def fit(self, table: pa.Table, label: str, seed: int) -> None:  # noqa: ARG002 - nothing is drawn
        """Load the models and keep the texts; raises GeneratorError for no rows, or a name that leads to no model."""
        check_class_sizes(table, label, self.capabilities.min_class_rows, "seq2seq")
        self._set_texts(table, label)
        self._load_models([name for name in (self.params.model, self.params.back) if name])

    def _set_texts(self, table: pa.Table, label: str) -> None:
        self._table, self._label = table, label
        self._texts, self._members = texts_of(table, label), rows_by_class(table[label])

    def _load_models(self, names: list[str]) -> None:
        pair = self.params.languages
        directions = (pair, (pair[1], pair[0]) if pair else None)
        prompts = (self.params.prompt, self.params.back_prompt)
        self._writers = []
        for name, prompt, languages in zip(names, prompts, directions, strict=False):
            writer = _Writer(*load_pretrained("seq2seq", name), prompt, name, languages)
            _check_context(writer)
            self._writers.append(writer)

    def sample(self, request: SampleRequest) -> pa.Table:
        """Return `request.rows` texts, none empty, and `_parent_row`, the real row that each was written from.

        An empty text is written again, a few times; a text that stays empty becomes `-`.
        """
        check_class_known(request.stratum, self._members)
        members = self._members[request.stratum]
        with seeded(request.seed) as rng, quiet():
            parents = members[rng.integers(len(members), size=request.rows)]
            texts = _rewrite_empty(parents, self._write)
        return text_table(self._table.schema, self._label, request, texts, parents)

    def _write(self, parents: NDArray[np.int64]) -> list[str]:
        texts = [self._texts[row] for row in parents]
        for writer in self._writers:
            texts = [
                text
                for start in range(0, len(texts), self.params.sample_rows)
                for text in _write(writer, texts[start : start + self.params.sample_rows], self.params, self._device)
            ]
        return texts

    def save(self, path: Path) -> None:
        """Write the real texts, the models (safetensors) with their tokenizers, and `model.json`."""
        pq.write_table(self._table, path / "rows.parquet")
        with quiet():
            for number, writer in enumerate(self._writers):
                writer.model.save_pretrained(path / f"model{number}")
                writer.tokenizer.save_pretrained(path / f"model{number}")
        (path / "model.json").write_text(json.dumps({"label": self._label, "models": len(self._writers)}))

    def load(self, path: Path, device: str) -> None:
        """Read what `save` wrote, onto `cpu` or `cuda`."""
        import torch

        model = json.loads((path / "model.json").read_text())
        self._set_texts(pq.read_table(path / "rows.parquet"), model["label"])
        self._load_models([str(path / f"model{number}") for number in range(model["models"])])
        self._device = device
        if device == "cuda":
            torch.cuda.init()  # type: ignore[no-untyped-call]
            for writer in self._writers:
                writer.model.to(device, torch.bfloat16)


def _rewrite_empty(parents: NDArray[np.int64], write: Callable[[NDArray[np.int64]], list[str]]) -> list[str]:
    texts = [""] * len(parents)
    for _ in range(_ROUNDS):
        empty = [number for number, text in enumerate(texts) if not text.strip()]
        if not empty:
            break
        for number, text in zip(empty, write(parents[empty]), strict=True):
            texts[number] = text
    return [text if text.strip() else _NOTHING for text in texts]


def _check_context(writer: _Writer) -> None:
    """Raise GeneratorError if the model's context has no room for a text beside the prompt."""
    room = context_length(writer.model)
    needed = len(writer.tokenizer(writer.prompt.format(text=""))["input_ids"])
    if room is not None and room <= needed:
        raise GeneratorError(
            f"model {writer.name!r}: its context of {room} tokens is too short for the prompt {writer.prompt!r} of"
            f" {needed} tokens and a text; shorten the prompt or take a model of longer context"
        )


def _write(writer: _Writer, texts: list[str], params: Seq2SeqParams, device: str) -> list[str]:
    """Return the text that the model writes for each text; the padding of a batch depends on its texts alone."""
    import torch
    from transformers import GenerationConfig

    room, tokenizer = context_length(writer.model), writer.tokenizer
    target_language = None
    if writer.languages:
        tokenizer.src_lang = writer.languages[0]
        target_language = tokenizer.convert_tokens_to_ids(writer.languages[1])
    prompts = [writer.prompt.format(text=text) for text in texts]
    most = min(params.read_tokens, room or params.read_tokens)
    inputs = tokenizer(prompts, return_tensors="pt", padding=True, truncation=True, max_length=most)
    own = writer.model.generation_config
    config = GenerationConfig(
        do_sample=True,
        num_beams=1,
        max_new_tokens=min(params.max_tokens, (room or 2**31) - 1),
        temperature=params.temperature,
        top_p=params.top_p,
        top_k=0,
        repetition_penalty=params.repetition_penalty,
        no_repeat_ngram_size=params.no_repeat_ngram,
        decoder_start_token_id=own.decoder_start_token_id,
        bos_token_id=own.bos_token_id,
        eos_token_id=own.eos_token_id,
        pad_token_id=own.pad_token_id,
        bad_words_ids=own.bad_words_ids,
        forced_bos_token_id=target_language if target_language is not None else own.forced_bos_token_id,
    )
    with torch.inference_mode():
        outputs = writer.model.generate(
            inputs["input_ids"].to(device), attention_mask=inputs["attention_mask"].to(device), generation_config=config
        )
    return [text.strip() for text in tokenizer.batch_decode(outputs, skip_special_tokens=True)]
