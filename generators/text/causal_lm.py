"""A class-conditional causal language model: from scratch, fully fine-tuned, or by LoRA. Knows transformers."""

import json
import logging
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from generators import base
from generators.classes import check_class_known, check_class_sizes, class_weights, hold_out
from generators.random import seeded
from generators.text.pretrained import context_length, load_pretrained, quiet
from generators.text.rows import string_schema, text_table, texts_of
from generators.text.tokens import add_class_tokens, encode, train_tokenizer
from schemas.access import Touch
from schemas.errors import GeneratorError
from schemas.plan import SampleRequest

log = logging.getLogger(__name__)

SCRATCH = "scratch"
_MOST_TOKENS = 128  # of a text, by default
_ROUNDS = 8  # of sampling again instead of empty texts
_NOTHING = "-"  # replaces a text that the model does not write; any check of length rejects it


class CausalLMParams(base.Params):
    """Parameters of the model, its training and its sampling."""

    model: Annotated[str, Touch("models", but=(SCRATCH,))] = Field(
        SCRATCH, min_length=1, description="scratch, a local folder, or a hub id."
    )
    tune: Literal["full", "lora"] = Field("full", description="Train all weights of a given model, or LoRA's alone.")
    width: int = Field(128, ge=8, description="From scratch: width of a layer, a multiple of heads.")
    layers: int = Field(2, ge=1, description="From scratch: layers.")
    heads: int = Field(4, ge=1, description="From scratch: attention heads.")
    vocabulary: int = Field(8000, ge=300, description="From scratch: tokens that the tokenizer learns, at most.")
    dropout: float = Field(0.1, ge=0, lt=1, description="From scratch: share of values left out in training.")
    lora_rank: int = Field(16, ge=1, description="Rank of LoRA's matrices.")
    epochs: Annotated[int, base.Lasting()] = Field(
        4, ge=1, description="Passes over as many texts as there are, at most."
    )
    max_steps: int | None = Field(None, ge=1, description="Training steps, at most.")
    max_minutes: float | None = Field(
        None, gt=0, description="Training time, at most; the model then depends on the machine's speed."
    )
    batch_rows: int = Field(16, ge=1, description="Texts in one training step.")
    learning_rate: float | None = Field(None, gt=0, description="4e-3 from scratch, 2e-4 for LoRA, else 5e-5.")
    weight_decay: float = Field(0.1, ge=0, description="Of AdamW.")
    balance: float = Field(
        0.7, ge=0, le=1, description="How evenly classes are drawn in training: 0 by their sizes, 1 all alike."
    )
    held_out: float = Field(
        0.1, ge=0, le=0.5, description="Share of each class of 200 rows or more that tells when to stop."
    )
    patience: int = Field(3, ge=1, description="Epochs without a lower loss on the held-out texts before the end.")
    max_tokens: int | None = Field(
        None, ge=1, description=f"Longest text in tokens; the longest real one's, {_MOST_TOKENS} at most, if left out."
    )
    temperature: float = Field(1.0, gt=0, le=5, description="Spread of the choice of the next token.")
    top_p: float = Field(0.95, gt=0, le=1, description="The next token is among the likeliest of so much probability.")
    repetition_penalty: float = Field(1.0, ge=1, le=5, description="Above 1, tokens that were written are less likely.")
    no_repeat_ngram: int = Field(0, ge=0, description="No run of so many tokens is written twice in a text; 0: any.")
    sample_rows: int = Field(512, ge=1, description="Texts written at once; on a GPU it changes the texts.")
    gpu: bool = Field(True, description="Train on a GPU where there is one; the model differs from one of the CPU.")


class CausalLM:
    """A GPT that learns all classes together, each text after a token of its class (CTRL, Keskar et al. 2019).

    So a rare class profits from what the others teach of the language. Rare classes are drawn more often in training
    than their size says (`balance`). The new class tokens of a pretrained model start as the mean of the tokens of the
    class's name.

    Example:
        generator:
          name: causal_lm
          params: {model: distilgpt2, tune: lora, epochs: 2}

    """

    Params = CausalLMParams
    capabilities: ClassVar[base.Capabilities] = base.Capabilities(
        modalities=("text",), max_chunk_rows=512, uses_gpu=True
    )

    def __init__(self, params: CausalLMParams) -> None:
        self.params = params
        self._device = "cpu"
        self._model: Any = None
        self._tokenizer: Any = None

    def fit(self, table: pa.Table, label: str, seed: int) -> None:
        """Train the model unwatched; see `train`."""
        self.train(table, label, seed, base.Unwatched())

    def train(self, table: pa.Table, label: str, seed: int, training: base.Training) -> None:
        """Train the model, or continue from a kept state of the same training.

        Raises GeneratorError for no rows, a name that leads to no model, or too short a context.
        """
        import torch

        check_class_sizes(table, label, self.capabilities.min_class_rows, "causal_lm")
        texts, labels = texts_of(table, label), table[label].to_pylist()
        self._schema, self._label, self._classes = table.schema, label, sorted(set(labels))
        device = "cuda" if self.params.gpu and torch.cuda.is_available() else "cpu"
        if device == "cuda":
            torch.cuda.init()  # type: ignore[no-untyped-call]
        with seeded(seed) as rng, quiet():
            self._make_model(texts)
            self._train_model(texts, np.searchsorted(self._classes, labels), device, rng, training)

    def _make_model(self, texts: list[str]) -> None:
        """Set the untrained model, its tokenizer, the prompt of each class and the greatest length of a text."""
        params = self.params
        if params.model == SCRATCH:
            self._tokenizer, self._model = train_tokenizer(texts, params.vocabulary), None
        else:
            self._model, self._tokenizer = load_pretrained("causal", params.model)
            _check_end_token(self._tokenizer, params.model)
        known = len(self._tokenizer)
        tokens = add_class_tokens(self._tokenizer, len(self._classes))
        begin = [] if self._tokenizer.bos_token_id is None or self._model is None else [self._tokenizer.bos_token_id]
        self._prompts = [[*begin, token] for token in tokens]
        self._most = self._greatest_length(texts)
        if self._model is None:
            self._model = _new_model(params, len(self._tokenizer), self._most + 2, self._tokenizer.eos_token_id)
        else:
            _add_embeddings(self._model, self._tokenizer, tokens, known, self._classes)

    def _greatest_length(self, texts: list[str]) -> int:
        room = context_length(self._model) if self._model is not None else None
        needed = len(self._prompts[0]) + 1
        wanted = self.params.max_tokens
        if room is not None and room < needed + (wanted or 1):
            raise GeneratorError(
                f"model {self.params.model!r}: its context of {room} tokens is too short for {needed - 1} of the"
                f" prompt, {wanted or 1} of the text and the end; lower max_tokens or take a model of longer context"
            )
        if wanted:
            return wanted
        lengths = [len(row) for row in self._tokenizer(texts, add_special_tokens=False)["input_ids"]]
        return max(1, min(max(lengths), _MOST_TOKENS, (room or 2**31) - needed))

    def _train_model(
        self,
        texts: list[str],
        classes: NDArray[np.int64],
        device: str,
        rng: np.random.Generator,
        training: base.Training,
    ) -> None:
        from generators.text.training import Rows, Settings, train

        params = self.params
        prompts = [self._prompts[number] for number in classes]
        tokens = encode(self._tokenizer, texts, prompts, self._most)
        rows = Rows(
            tokens, classes, class_weights(classes, params.balance), len(self._prompts[0]), self._tokenizer.pad_token_id
        )
        held_out = hold_out(classes, params.held_out, rng)
        lora = params.model != SCRATCH and params.tune == "lora"
        model = _add_lora(self._model, params.lora_rank, [p[-1] for p in self._prompts]) if lora else self._model
        rate = params.learning_rate or (4e-3 if params.model == SCRATCH else 2e-4 if lora else 5e-5)
        settings = Settings(
            epochs=params.epochs,
            max_steps=params.max_steps,
            max_minutes=params.max_minutes,
            batch_rows=params.batch_rows,
            learning_rate=rate,
            weight_decay=params.weight_decay,
            patience=params.patience,
        )
        train_rows, held_out_rows = rows.take(np.flatnonzero(~held_out)), rows.take(np.flatnonzero(held_out))
        train(model, train_rows, held_out_rows, settings, device, rng, training)
        self._model = model.merge_and_unload() if lora else model  # whole, so that it loads without the first folder

    def sample(self, request: SampleRequest) -> pa.Table:
        """Return `request.rows` texts of the class, none empty; raises GeneratorError if the class is not known.

        An empty text is sampled again, a few times; a text that stays empty becomes `-`.
        """
        check_class_known(request.stratum, self._classes)
        prompt = self._prompts[self._classes.index(request.stratum)]
        texts: list[str] = []
        with seeded(request.seed), quiet():
            for _ in range(_ROUNDS):
                while len(texts) < request.rows:
                    rows = min(self.params.sample_rows, request.rows - len(texts))
                    texts += self._write(prompt, rows)
                texts = [text for text in texts if text.strip()]
        texts += [_NOTHING] * (request.rows - len(texts))
        return text_table(self._schema, self._label, request, texts)

    def _write(self, prompt: list[int], rows: int) -> list[str]:
        from generators.text.decoding import Choice, write

        params, tokenizer = self.params, self._tokenizer
        choice = Choice(
            temperature=params.temperature,
            top_p=params.top_p,
            repetition_penalty=params.repetition_penalty,
            no_repeat_ngram=params.no_repeat_ngram,
            end=tokenizer.eos_token_id,
            pad=tokenizer.pad_token_id,
            silent=[prompt[-1] for prompt in self._prompts],  # class tokens are no part of a text
        )
        tokens = write(self._model, prompt, rows, self._most, choice, self._device)
        return list(tokenizer.batch_decode(tokens, skip_special_tokens=True))

    def save(self, path: Path) -> None:
        """Write the model (safetensors), its tokenizer and `model.json`."""
        with quiet():
            self._model.save_pretrained(path / "model")
            self._tokenizer.save_pretrained(path / "model")
        model = {"classes": self._classes, "prompts": self._prompts, "most": self._most}
        model |= {"label": self._label, "columns": self._schema.names}
        (path / "model.json").write_text(json.dumps(model))

    def load(self, path: Path, device: str) -> None:
        """Read what `save` wrote, onto `cpu` or `cuda`."""
        import torch

        model = json.loads((path / "model.json").read_text())
        self._classes, self._prompts, self._most = model["classes"], model["prompts"], model["most"]
        self._label, self._schema = model["label"], string_schema(model["columns"])
        self._model, self._tokenizer = load_pretrained("causal", str(path / "model"))
        self._device = device
        if device == "cuda":
            torch.cuda.init()  # type: ignore[no-untyped-call]
            self._model.to(device, torch.bfloat16)


def _check_end_token(tokenizer: Any, name: str) -> None:
    if tokenizer.eos_token_id is None:
        raise GeneratorError(f"model {name!r}: its tokenizer has no end token; set eos_token in tokenizer_config.json")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token


def _new_model(params: CausalLMParams, tokens: int, context: int, end: int) -> Any:
    """Return a small GPT-2 with random weights."""
    from transformers import GPT2Config, GPT2LMHeadModel

    if params.width % params.heads:
        raise GeneratorError(f"causal_lm: width {params.width} is no multiple of heads {params.heads}; make it one")
    config = GPT2Config(
        vocab_size=tokens,
        n_positions=context,
        n_embd=params.width,
        n_layer=params.layers,
        n_head=params.heads,
        resid_pdrop=params.dropout,
        embd_pdrop=params.dropout,
        attn_pdrop=params.dropout,
        initializer_range=0.8 / params.width**0.5,  # GPT-2's 0.02 suits a width of 768; so small a model starts slowly
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )
    return GPT2LMHeadModel(config)


def _add_embeddings(model: Any, tokenizer: Any, tokens: list[int], known: int, classes: list[str]) -> None:
    """Add rows for the class tokens to the model's embedding, each the mean of the tokens of its class's name."""
    import torch

    weights = model.get_input_embeddings().weight
    if len(weights) < len(tokenizer):
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        weights = model.get_input_embeddings().weight
    with torch.no_grad():
        for token, name in zip(tokens, classes, strict=True):
            name_tokens = [
                number for number in tokenizer(name, add_special_tokens=False)["input_ids"] if number < known
            ]
            weights[token] = weights[name_tokens].mean(dim=0) if name_tokens else weights[:known].mean(dim=0)


def _add_lora(model: Any, rank: int, tokens: list[int]) -> Any:
    """Return the model with LoRA (Hu et al. 2021, arXiv:2106.09685) at all linear layers and trainable class tokens."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.05,
        target_modules="all-linear",
        trainable_token_indices=tokens,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)
