"""Texts from any OpenAI-compatible chat endpoint (vLLM, TGI, Ollama, a vendor). Knows prompts, no HTTP."""

import asyncio
import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BeforeValidator, Field, field_validator, model_validator

from generators import base
from generators.classes import check_class_known, check_class_sizes, rows_by_class
from generators.text.answers import Answer, default_cache_folder, open_answers
from generators.text.calls import Call, Caller, Limits
from generators.text.prompts import FIELDS, PROMPT, check_template, fill_prompt, read_rows, rows_schema
from generators.text.rows import text_table, texts_of
from schemas.access import Touch, Untouching
from schemas.errors import GeneratorError
from schemas.hashing import json_hash
from schemas.plan import SampleRequest
from schemas.secrets import told_variable, variable_name

_ROUNDS = 6  # of calls for a request: the first, and more for missing rows


class Price(base.Params):
    """The cost of a million tokens, in any currency.

    >>> Price(input=0.5, output=1.5).output
    1.5
    """

    input: float = Field(ge=0, description="Of the prompts.")
    output: float = Field(ge=0, description="Of the answers.")


class EndpointParams(base.Params):
    """The endpoint, its prompts, and the caps on their cost. The key comes from the environment alone."""

    base_url: Annotated[str, Touch("hosts")] = Field(
        description="Address of the API, such as http://localhost:8000/v1."
    )
    model: Annotated[str, Untouching()] = Field(min_length=1, description="Name of the model at the endpoint.")
    api_key_env: Annotated[str, Touch("keys"), BeforeValidator(variable_name)] = Field(
        "OPENAI_API_KEY", description="Environment variable that holds the key, if one is needed."
    )
    prompt: str = Field(PROMPT, description="Template with {label}, {description}, {examples} and {count}.")
    labels: dict[str, str] = Field({}, description="What each class is, in words.")
    examples: int = Field(5, ge=0, description="Real texts of the class shown in each prompt, drawn anew for each.")
    example_letters: int = Field(1000, ge=1, description="Longer examples are cut to so many letters.")
    rows_per_call: int = Field(8, ge=1, le=1000, description="Texts asked for in one prompt.")
    output: Literal["json_schema", "json_object", "plain", "text"] = Field(
        "json_schema",
        description="How the reply's form is asked for; what the endpoint does not know falls back to the next."
        " text: the whole reply is one row.",
    )
    temperature: float = Field(1.0, ge=0, le=2, description="Spread of the model's choices.")
    max_tokens: int = Field(1024, ge=1, description="Longest answer, in tokens.")
    send_seed: bool = Field(True, description="Send a seed with each call; false for endpoints that refuse it.")
    concurrency: int = Field(32, ge=1, le=1000, description="Calls in flight for each actor.")
    timeout: float = Field(120, gt=0, description="Seconds to wait for an answer.")
    retries: int = Field(6, ge=0, description="Further attempts of a call that failed, with longer and longer pauses.")
    requests_per_minute: float | None = Field(None, gt=0, description="Of all actors of one machine together.")
    tokens_per_minute: float | None = Field(None, gt=0, description="Of all actors of one machine together.")
    max_tokens_total: int | None = Field(None, ge=1, description="Tokens that this build may use in all its runs.")
    max_cost: float | None = Field(None, gt=0, description="Money that this build may cost in all its runs.")
    price_per_million: Price | None = Field(None, description="What a million tokens cost.")
    cache: Annotated[str | None, Touch("write")] = Field(
        None, description="Folder on a local disk that keeps the answers; $MAKEWEIGHT_CACHE or the user's cache folder."
    )

    @field_validator("base_url")
    @classmethod
    def _is_plain_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an address that begins with http:// or https://")
        if parts.username or parts.password or parts.query:
            raise ValueError("must hold no user, password or query, got one; put a key into api_key_env's variable")
        return url.rstrip("/")

    @field_validator("prompt")
    @classmethod
    def _is_template(cls, prompt: str) -> str:
        return check_template(prompt, FIELDS)

    @model_validator(mode="after")
    def _fits_together(self) -> "EndpointParams":
        if self.max_cost is not None and self.price_per_million is None:
            raise ValueError("max_cost needs price_per_million: {input: …, output: …}, got none")
        if self.output == "text" and self.rows_per_call != 1:
            raise ValueError(f"output text gives one row a call, got rows_per_call {self.rows_per_call}; set it to 1")
        return self


LIMITS = {
    *("concurrency", "timeout", "retries", "requests_per_minute", "tokens_per_minute"),
    *("max_tokens_total", "max_cost", "price_per_million", "cache", "api_key_env"),
}
"""Parameters that change the cost of calls, not the questions: builds that differ in them share an account."""


class Endpoint:
    """Prompts a chat model with a few real texts of the class (few-shot) for several new ones per call.

    The rows of a request are those of its calls' answers, in order. Every answer is stored on disk under the hash of
    its question, so a build that is continued or repeated makes the same rows and pays for nothing twice. Whether an
    empty cache would give the same rows depends on the endpoint (`seed` is sent with each call).

    Example:
        generator:
          name: endpoint
          params:
            base_url: http://localhost:8000/v1
            model: llama-3.1-8b
            labels: {spam: unwanted advertising}
            max_tokens_total: 2000000

    """

    Params = EndpointParams
    capabilities: ClassVar[base.Capabilities] = base.Capabilities(
        modalities=("text",),
        min_chunk_rows=256,  # 32 calls of 8 rows, all in flight
        max_chunk_rows=1024,
    )

    def __init__(self, params: EndpointParams) -> None:
        self.params = params

    def fit(self, table: pa.Table, label: str, seed: int) -> None:
        """Keep the real texts as examples, without any call; raises GeneratorError if there are no rows."""
        check_class_sizes(table, label, self.capabilities.min_class_rows, "endpoint")
        texts = texts_of(table, label)
        question = [self.params.model_dump(mode="json", exclude=LIMITS), seed, texts, table[label].to_pylist()]
        self._set_texts(table, label, json_hash(question, sort_keys=False))

    def _set_texts(self, table: pa.Table, label: str, account: str) -> None:
        self._table, self._label, self._account = table, label, account
        self._texts, self._members = texts_of(table, label), rows_by_class(table[label])

    def sample(self, request: SampleRequest) -> pa.Table:
        """Return `request.rows` texts from the endpoint.

        Raises BudgetError when the next call might exceed a cap, and GeneratorError when the endpoint refuses for good,
        or gives too few rows. Answers so far are kept either way.
        """
        check_class_known(request.stratum, self._members)
        with ThreadPoolExecutor(1) as thread:  # a notebook's own event loop may be running in this one
            texts = thread.submit(asyncio.run, self._gather(request)).result()
        return text_table(self._table.schema, self._label, request, texts)

    async def _gather(self, request: SampleRequest) -> list[str]:
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        params, numbers = self.params, 0
        texts: list[str] = []
        ends: Counter[str] = Counter()
        folder = Path(params.cache).expanduser() if params.cache else default_cache_folder()
        key = self._read_key()
        http_client = DefaultAsyncHttpxClient(
            follow_redirects=False
        )  # real rows go to the address that was given alone
        client = AsyncOpenAI(
            base_url=params.base_url, api_key=key, timeout=params.timeout, max_retries=0, http_client=http_client
        )
        with open_answers(folder) as answers:
            async with client:
                wanted = "plain" if params.output == "text" else params.output
                caller = Caller(client, answers, self._make_limits(), wanted)
                for _ in range(_ROUNDS):
                    needed = -(-(request.rows - len(texts)) // params.rows_per_call)
                    calls = [self._make_call(request, numbers + n) for n in range(needed)]
                    numbers += needed
                    for answer in await caller.ask_all(calls):
                        rows = self._parse_rows(answer)
                        texts += rows
                        ends[_classify_answer(answer, rows, params.rows_per_call)] += 1
                    if len(texts) >= request.rows:
                        return texts[: request.rows]
        raise GeneratorError(_describe_shortage(request, len(texts), numbers, ends, params))

    def _read_key(self) -> str:
        """Return the key, or `none` where no variable is named; raises GeneratorError if that variable is not set."""
        name = self.params.api_key_env
        key = os.environ.get(name)
        if not key and name != EndpointParams.model_fields["api_key_env"].default:
            problem = f"{told_variable(name)} (generator.params.api_key_env) is not set"
            raise GeneratorError(f"{problem}, and nothing was sent: export the key there, or leave api_key_env out")
        return key or "none"

    def _parse_rows(self, answer: Answer) -> list[str]:
        if self.params.output == "text":
            return [answer.content.strip()] if answer.content and answer.content.strip() else []
        return read_rows(answer.content)[: self.params.rows_per_call]

    def _make_call(self, request: SampleRequest, number: int) -> Call:
        """Return call `number` of the request; its examples and its seed follow from the two."""
        params, rng = self.params, np.random.default_rng([request.seed, number])
        members = self._members[request.stratum]
        rows = rng.choice(members, min(params.examples, len(members)), replace=False)
        examples = [self._texts[row][: params.example_letters] for row in rows]
        description = params.labels.get(request.stratum, "")
        prompt = fill_prompt(params.prompt, request.stratum, description, examples, params.rows_per_call)
        body: dict[str, Any] = {
            "model": params.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": params.temperature,
            "max_tokens": params.max_tokens,
        }
        if params.send_seed:
            body["seed"] = int(rng.integers(2**31))  # the largest that all servers take
        return Call(body, rows_schema(params.rows_per_call), number)

    def _make_limits(self) -> Limits:
        params = self.params
        price = params.price_per_million or Price(input=0, output=0)
        return Limits(
            base_url=params.base_url,
            key_name=params.api_key_env,
            account=self._account,
            concurrency=params.concurrency,
            timeout=params.timeout,
            retries=params.retries,
            requests_per_minute=params.requests_per_minute,
            tokens_per_minute=params.tokens_per_minute,
            max_tokens_total=params.max_tokens_total,
            max_cost=params.max_cost,
            price_input=price.input,
            price_output=price.output,
        )

    def save(self, path: Path) -> None:
        """Write the real texts and `model.json`; no key."""
        pq.write_table(self._table, path / "rows.parquet")
        (path / "model.json").write_text(json.dumps({"label": self._label, "account": self._account}))

    def load(self, path: Path, device: str) -> None:  # noqa: ARG002 - nothing runs here
        """Read what `save` wrote."""
        model = json.loads((path / "model.json").read_text())
        self._set_texts(pq.read_table(path / "rows.parquet"), model["label"], model["account"])


def _classify_answer(answer: Answer, rows: list[str], wanted: int) -> str:
    """Return the kind of an answer, in words."""
    if len(rows) >= wanted:
        return "whole"
    if answer.finish == "length":
        return "cut off at max_tokens"
    if answer.content is None or answer.finish == "content_filter":
        return "refusals"
    return "of too few rows" if rows else "not the JSON that was asked for"


def _describe_shortage(
    request: SampleRequest, rows: int, calls: int, ends: Counter[str], params: EndpointParams
) -> str:
    faults = ", ".join(f"{n:,} {what}" for what, n in ends.most_common() if what != "whole")
    return (
        f"class {request.stratum!r}, chunk {request.chunk}: {params.base_url} gave {rows:,} of {request.rows:,} rows in"
        f" {calls:,} calls; of the answers were {faults}; raise max_tokens, lower rows_per_call, or change the prompt"
    )
