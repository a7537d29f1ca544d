"""Texts from a chat model that vLLM runs on this machine's GPU: offline, in batches. Knows prompts."""

import importlib.util
import json
import os
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, field_validator

from generators import base
from generators.classes import check_class_known, check_class_sizes, rows_by_class
from generators.text.prompts import FIELDS, PROMPT, check_template, fill_prompt, read_rows, rows_schema
from generators.text.rows import text_table, texts_of
from schemas.access import Touch
from schemas.errors import GeneratorError
from schemas.plan import SampleRequest

_INVARIANT, _INVARIANT_FROM = "VLLM_BATCH_INVARIANT", (9, 0)
_ROUNDS = 4  # of prompts for a request: the first, and more for missing rows


class VLLMParams(base.Params):
    """Parameters of the model, its prompts and its sampling."""

    model: Annotated[str, Touch("models")] = Field(
        min_length=1, description="A local folder or hub id of a chat model."
    )
    prompt: str = Field(PROMPT, description="Template with {label}, {description}, {examples} and {count}.")
    labels: dict[str, str] = Field({}, description="What each class is, in words.")
    examples: int = Field(5, ge=0, description="Real texts of the class shown in each prompt, drawn anew for each.")
    example_letters: int = Field(1000, ge=1, description="Longer examples are cut to so many letters.")
    rows_per_call: int = Field(8, ge=1, le=1000, description="Texts asked for in one prompt.")
    temperature: float = Field(1.0, ge=0, le=2, description="Spread of the model's choices.")
    top_p: float = Field(0.95, gt=0, le=1, description="The next token is among the likeliest of so much probability.")
    max_tokens: int = Field(1024, ge=1, description="Longest answer, in tokens.")
    context: int | None = Field(None, ge=1, description="Tokens of prompt and answer; the model's own if left out.")
    gpu_memory: float = Field(0.9, gt=0, le=1, description="Share of the GPU's memory that vLLM takes.")

    @field_validator("prompt")
    @classmethod
    def _is_template(cls, prompt: str) -> str:
        return check_template(prompt, FIELDS)


class VLLM:
    """Prompts a local chat model with a few real texts of the class for several new ones, in enforced JSON.

    All prompts of a request are one batch; each has its own seed. On cards of compute capability 9.0 or more, vLLM runs
    in its batch-invariant mode, in which a prompt gives the same text in any batch. On others the same batch gives the
    same texts on the same card and versions, as far as vLLM's own scheduling is the same.

    Example:
        generator:
          name: vllm
          params: {model: models/llama-3.1-8b, labels: {spam: unwanted advertising}}

    """

    Params = VLLMParams
    capabilities: ClassVar[base.Capabilities] = base.Capabilities(
        modalities=("text",), uses_gpu=True, needs_gpu=True, packages=("vllm",)
    )

    def __init__(self, params: VLLMParams) -> None:
        self.params = params
        self._model: Any = None

    def fit(self, table: pa.Table, label: str, seed: int) -> None:  # noqa: ARG002 - nothing is drawn
        """Keep the real texts as examples; raises GeneratorError for no rows, or where vllm is not installed."""
        _check_installed()
        check_class_sizes(table, label, self.capabilities.min_class_rows, "vllm")
        self._set_texts(table, label)

    def _set_texts(self, table: pa.Table, label: str) -> None:
        self._table, self._label = table, label
        self._texts, self._members = texts_of(table, label), rows_by_class(table[label])

    def sample(self, request: SampleRequest) -> pa.Table:
        """Return `request.rows` texts; raises GeneratorError where the model gives too few."""
        check_class_known(request.stratum, self._members)
        texts: list[str] = []
        ends: Counter[str] = Counter()
        numbers = 0
        for _ in range(_ROUNDS):
            needed = -(-(request.rows - len(texts)) // self.params.rows_per_call)
            for content, end in self._generate(request, range(numbers, numbers + needed)):
                texts += read_rows(content)[: self.params.rows_per_call]
                ends[end] += 1
            numbers += needed
            if len(texts) >= request.rows:
                return text_table(self._table.schema, self._label, request, texts[: request.rows])
        raise GeneratorError(
            f"class {request.stratum!r}, chunk {request.chunk}: {self.params.model!r} gave {len(texts):,} of"
            f" {request.rows:,} rows in {numbers:,} prompts (they ended by {dict(ends)}); raise max_tokens, lower"
            " rows_per_call, or change the prompt"
        )

    def _generate(self, request: SampleRequest, numbers: range) -> list[tuple[str, str]]:
        """Return the text of each numbered prompt's answer, and the reason of its end."""
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        params = self.params
        schema = StructuredOutputsParams(json=rows_schema(params.rows_per_call))
        chats, choices = [], []
        for number in numbers:
            rng = np.random.default_rng([request.seed, number])
            chats.append([{"role": "user", "content": self._make_prompt(request.stratum, rng)}])
            choices.append(
                SamplingParams(
                    temperature=params.temperature,
                    top_p=params.top_p,
                    max_tokens=params.max_tokens,
                    seed=int(rng.integers(2**31)),
                    structured_outputs=schema,
                )
            )
        try:
            outputs = self._load_once().chat(chats, choices, use_tqdm=False)
        except ValueError as error:  # vLLM's way to say that a prompt does not fit
            raise GeneratorError(
                f"{params.model!r}: {error}; lower examples, example_letters, rows_per_call or max_tokens"
            ) from error
        return [(output.outputs[0].text, output.outputs[0].finish_reason or "") for output in outputs]

    def _make_prompt(self, stratum: str, rng: np.random.Generator) -> str:
        params, members = self.params, self._members[stratum]
        rows = rng.choice(members, min(params.examples, len(members)), replace=False)
        examples = [self._texts[row][: params.example_letters] for row in rows]
        return fill_prompt(params.prompt, stratum, params.labels.get(stratum, ""), examples, params.rows_per_call)

    def _load_once(self) -> Any:
        """Return the model, loaded at the first request: it takes its share of the GPU at once."""
        if self._model is None:
            from vllm import LLM

            params = self.params
            self._model = LLM(
                model=params.model,
                max_model_len=params.context,
                gpu_memory_utilization=params.gpu_memory,
                seed=0,
                load_format="safetensors",  # other weights are pickles
                trust_remote_code=False,
            )
        return self._model

    def save(self, path: Path) -> None:
        """Write the real texts and `model.json`; the model stays where it is."""
        pq.write_table(self._table, path / "rows.parquet")
        (path / "model.json").write_text(json.dumps({"label": self._label}))

    def load(self, path: Path, device: str) -> None:
        """Read what `save` wrote; raises GeneratorError where vllm is not installed or there is no GPU."""
        _check_installed()
        if device != "cuda":
            raise GeneratorError("vllm: runs on a GPU alone, this actor has none; give generator.gpus, or use endpoint")
        _enable_batch_invariance()
        model = json.loads((path / "model.json").read_text())
        self._set_texts(pq.read_table(path / "rows.parquet"), model["label"])


def _check_installed() -> None:
    if importlib.util.find_spec("vllm") is None:
        raise GeneratorError(
            "vllm: the package vllm is not installed; install it on a machine with a GPU (pip install vllm), or serve"
            " the model elsewhere and use the generator 'endpoint'"
        )


def _enable_batch_invariance() -> None:
    """Set vLLM's switch before it is imported, where the card supports it and nobody has set it.

    See https://docs.vllm.ai/en/latest/features/batch_invariance/.
    """
    import torch

    if torch.cuda.is_available() and torch.cuda.get_device_capability() >= _INVARIANT_FROM:
        os.environ.setdefault(_INVARIANT, "1")
