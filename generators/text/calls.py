"""Calls of a chat endpoint: concurrent, paced, retried, and within the budget. Knows no dataset.

An answer that is in the store costs nothing. A final refusal of the endpoint ends all calls with one clear message;
calls under way are waited for, so that no paid answer is lost.
"""

import asyncio
import json
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from generators.text.answers import Answer, Answers, Tokens
from generators.text.refusals import FAILURES, NoAnswerError, explain, is_wrong_format, requested_pause, seems_absent
from schemas.errors import BudgetError, GeneratorError
from schemas.hashing import json_hash

if TYPE_CHECKING:
    from openai import AsyncOpenAI

log = logging.getLogger(__name__)

FORMATS = ("json_schema", "json_object", "plain")
"""The response formats to request; an endpoint that does not know one gets the next."""

_ABSENT_ATTEMPTS = 3  # where no server listens, and none ever answered
_LONGEST_PAUSE = 60.0
_POLL = 0.05
_BYTES_A_TOKEN = 2  # fewer than in any common language: gives the greatest cost of a call


@dataclass(frozen=True)
class Limits:
    """The caps on cost and the pace of calls; prices are for a million tokens."""

    base_url: str
    key_name: str
    account: str
    concurrency: int
    timeout: float
    retries: int
    requests_per_minute: float | None
    tokens_per_minute: float | None
    max_tokens_total: int | None
    max_cost: float | None
    price_input: float
    price_output: float

    def cost(self, tokens: Tokens) -> float:
        """Return what the tokens cost."""
        return (tokens.input * self.price_input + tokens.output * self.price_output) / 1e6

    def allow(self, tokens: Tokens) -> bool:
        """Whether so many tokens are within both caps."""
        within = self.max_tokens_total is None or tokens.total <= self.max_tokens_total
        return within and (self.max_cost is None or self.cost(tokens) <= self.max_cost)


@dataclass(frozen=True)
class Call:
    """One question: the request's body without its response format, the schema of the reply, and the call's number."""

    body: dict[str, Any]
    schema: dict[str, Any]
    number: int

    def key(self, base_url: str, form: str) -> str:
        """Return the hash under which the answer is stored."""
        question = [base_url, self.number, self.body, self.schema, form]
        return json_hash(question)

    def most_tokens(self) -> Tokens:
        """Return an upper estimate of the tokens of the call."""
        size = len(json.dumps(self.body["messages"], ensure_ascii=False).encode())
        return Tokens(size // _BYTES_A_TOKEN + 16, self.body["max_tokens"])

    def with_format(self, form: str) -> dict[str, Any]:
        """Return the body with the response format."""
        if form == "json_schema":
            json_schema = {"name": "rows", "strict": True, "schema": self.schema}
            return {**self.body, "response_format": {"type": "json_schema", "json_schema": json_schema}}
        return {**self.body, "response_format": {"type": "json_object"}} if form == "json_object" else self.body


@dataclass
class Caller:
    """Makes calls with a client of the running event loop.

    `form` is the response format: first the `wanted` one, then the first that the endpoint understands.
    """

    client: "AsyncOpenAI"
    answers: Answers
    limits: Limits
    wanted: str
    form: str = field(init=False)
    answered: bool = field(init=False, default=False)
    stopped: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.form = self.wanted
        self._free = asyncio.Semaphore(self.limits.concurrency)

    async def ask_all(self, calls: Sequence[Call]) -> list[Answer]:
        """Return the answers in the order of the calls; raises the error that `explain` makes of the first failure."""
        results = await asyncio.gather(*map(self._ask, calls), return_exceptions=True)
        errors = [error for error in results if isinstance(error, BaseException)]
        for error in sorted(errors, key=lambda error: isinstance(error, asyncio.CancelledError)):
            raise error
        return [answer for answer in results if isinstance(answer, Answer)]

    async def _ask(self, call: Call) -> Answer:
        key = call.key(self.limits.base_url, self.wanted)
        known = self.answers.get(key)
        if known:
            return known
        async with self._free:
            if self.stopped:
                raise asyncio.CancelledError
            try:
                return await self._buy(call, key)
            except BaseException:
                self.stopped = True
                raise

    async def _buy(self, call: Call, key: str) -> Answer:
        """Call until there is an answer; store it, and count its cost."""
        chance = random.Random(key)  # noqa: S311 - spreads the calls, hides nothing
        for attempt in range(self.limits.retries + 1):
            reservation = await self._reserve(call.most_tokens())
            try:
                await self._await_turn(call)
                answer, tokens = await self._send(call)
                self.answers.settle(reservation, self.limits.account, key, answer, tokens)
                return answer
            except FAILURES() as error:
                self.answers.release(reservation)
                await self._pause_or_give_up(error, attempt, chance)
            except BaseException:
                self.answers.release(reservation)
                raise
        raise GeneratorError(f"{self.limits.base_url}: no answer in {self.limits.retries + 1} attempts")

    async def _send(self, call: Call) -> tuple[Answer, Tokens]:
        from openai import BadRequestError, UnprocessableEntityError

        form = self.form
        try:
            reply = await self.client.chat.completions.create(**call.with_format(form))
            parsed = _parse_reply(reply, call)
        except (BadRequestError, UnprocessableEntityError) as error:
            if form == FORMATS[-1] or not is_wrong_format(error):
                raise
            following = FORMATS[FORMATS.index(form) + 1]
            log.info("%s does not know response format %s, asking by %s", self.limits.base_url, form, following)
            self.form = max(self.form, following, key=FORMATS.index)
            return await self._send(call)
        except (ValueError, AttributeError, TypeError) as error:  # a body that is no JSON, or JSON of another kind
            raise NoAnswerError(str(error)) from error
        self.answered = True
        return parsed

    async def _pause_or_give_up(self, error: Exception, attempt: int, chance: random.Random) -> None:
        limits = self.limits
        refused = explain(error, limits.base_url, limits.key_name, self.client.api_key)
        absent = seems_absent(error) and not self.answered
        left = (min(_ABSENT_ATTEMPTS, limits.retries + 1) if absent else limits.retries + 1) - attempt - 1
        if refused.final or not left:
            raise refused.after(attempt + 1) from error
        pause = requested_pause(error) or 0.5 * 2**attempt
        log.info("%s; attempt %d of %d", refused.message, attempt + 1, limits.retries + 1)
        await asyncio.sleep(min(pause, _LONGEST_PAUSE) * chance.uniform(0.75, 1.25))

    async def _await_turn(self, call: Call) -> None:
        limits, wait = self.limits, 0.0
        if limits.requests_per_minute:
            wait = self.answers.turn(f"{limits.base_url} requests", 1, limits.requests_per_minute)
        if limits.tokens_per_minute:
            amount = call.most_tokens().total
            wait = max(wait, self.answers.turn(f"{limits.base_url} tokens", amount, limits.tokens_per_minute))
        await asyncio.sleep(wait)

    async def _reserve(self, most: Tokens) -> str:
        """Reserve the greatest cost of the call; where calls under way use up the budget, wait for their real cost."""
        limits, answers = self.limits, self.answers
        while True:
            with answers.locked():
                calls, spent = answers.spent(limits.account)
                waiting, reserved = answers.under_way(limits.account)
                if limits.allow(spent + reserved + most):
                    return answers.reserve(limits.account, most, 2 * limits.timeout + _LONGEST_PAUSE)
            if self.stopped or not waiting:
                raise _budget_error(limits, calls, spent)
            await asyncio.sleep(_POLL)


def _parse_reply(reply: Any, call: Call) -> tuple[Answer, Tokens]:
    """Return the answer in a reply and its tokens; an upper estimate where the endpoint does not count them."""
    usage = reply.usage
    tokens = Tokens(usage.prompt_tokens or 0, usage.completion_tokens or 0) if usage else call.most_tokens()
    if not reply.choices:
        return Answer(None, "empty"), tokens
    choice = reply.choices[0]
    content = None if choice.message.refusal else choice.message.content
    return Answer(content, choice.finish_reason or ""), tokens


def _budget_error(limits: Limits, calls: int, spent: Tokens) -> BudgetError:
    money = f", {limits.cost(spent):.4f} of max_cost {limits.max_cost:g}" if limits.max_cost is not None else ""
    cap = f" of max_tokens_total {limits.max_tokens_total:,}" if limits.max_tokens_total is not None else ""
    return BudgetError(
        f"{limits.base_url}: the budget is spent, the next call might exceed it: {calls:,} calls, {spent.total:,}"
        f" tokens{cap} ({spent.input:,} read, {spent.output:,} written){money}; raise it and run the same command"
        " again: it goes on from here and pays for no answer twice"
    )
