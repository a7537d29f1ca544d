"""Explains failures of an endpoint: which are temporary, and how to mend the others. Knows the openai client."""

from dataclasses import dataclass
from typing import Any

from schemas.errors import BudgetError, GeneratorError, MakeweightError
from schemas.secrets import told_variable

_TOO_LONG = ("context_length", "context length", "maximum context", "context window", "too long", "too many tokens")
_FORMAT = ("response_format", "json_schema", "json_object", "guided", "structured output", "schema", "grammar")
_PASSING = {408, 409, 425, 429}


class NoAnswerError(Exception):
    """The reply is not that of a chat endpoint."""


def FAILURES() -> tuple[type[Exception], ...]:  # noqa: N802 - stands for a constant whose import is heavy
    """Return the exceptions that `explain` knows."""
    import openai

    return (openai.APIError, NoAnswerError)


@dataclass(frozen=True)
class Refusal:
    """A failure in words; `final` if another attempt is of no use."""

    message: str
    final: bool
    kind: type[MakeweightError] = GeneratorError

    def after(self, attempts: int) -> MakeweightError:
        """Return the error that ends the build after so many attempts."""
        tried = "" if self.final else f" ({attempts} attempts)"
        return self.kind(f"{self.message}{tried}; answers so far are kept and are not paid for again")


def explain(error: Exception, url: str, key_name: str, key: str) -> Refusal:
    """Return the meaning of a failure; the key is removed from the endpoint's message."""
    import openai

    message = _endpoint_message(error, key)
    if isinstance(error, openai.APITimeoutError):
        return Refusal(f"{url}: no answer in time; raise generator.params.timeout or lower concurrency", False)
    if isinstance(error, openai.APIConnectionError):
        cause = f"{type(error.__cause__).__name__}: {error.__cause__}" if error.__cause__ else message
        return Refusal(f"{url}: cannot be reached ({cause}); check base_url, and that the server runs", False)
    if isinstance(error, openai.APIStatusError):
        return _explain_status(error, url, key_name, message)
    return Refusal(f"{url}: the answer is not one of a chat endpoint ({message}); check base_url", False)


def _explain_status(error: Any, url: str, key_name: str, message: str) -> Refusal:
    status = error.status_code
    if status in (401, 403):
        problem = f"refuses the key in {told_variable(key_name)} ({status}: {message}); set it to a valid one"
        return Refusal(f"{url}: {problem}", True)
    if 300 <= status < 400:
        problem = (
            f"sends callers to another address ({status}), and rows go to this one alone; set base_url to the other"
        )
        return Refusal(f"{url}: {problem}", True)
    if status == 404:
        return Refusal(f"{url}: not found (404: {message}); check base_url (it often ends in /v1) and model", True)
    if status == 402 or getattr(error, "code", None) == "insufficient_quota":
        return Refusal(f"{url}: the account has no money left ({status}: {message}); add to it", True, BudgetError)
    if any(sign in message.lower() for sign in _TOO_LONG) or getattr(error, "code", None) == "context_length_exceeded":
        problem = f"the model's context is too short for the prompt ({status}: {message})"
        return Refusal(f"{url}: {problem}; lower examples, example_letters, rows_per_call or max_tokens", True)
    if status >= 500 or status in _PASSING:
        return Refusal(f"{url}: failed with {status}: {message}", False)
    return Refusal(
        f"{url}: refuses the request ({status}: {message}); check model and the generator's parameters", True
    )


def is_wrong_format(error: Any) -> bool:
    """Whether a request may have been refused because its response format is not known."""
    message = _endpoint_message(error, "").lower()
    return any(sign in message for sign in _FORMAT)


def seems_absent(error: Exception) -> bool:
    """Whether no server listens at the address."""
    import openai

    return isinstance(error, openai.APIConnectionError) and type(error.__cause__).__name__ == "ConnectError"


def requested_pause(error: Any) -> float | None:
    """Return the seconds that the endpoint asks to wait, or None."""
    response = getattr(error, "response", None)
    try:
        return float(response.headers["retry-after"]) if response is not None else None
    except (KeyError, ValueError):  # not asked for, or as a date
        return None


def _endpoint_message(error: Any, key: str) -> str:
    body = getattr(error, "body", None)
    detail = body.get("message") or body.get("detail") if isinstance(body, dict) else body
    text = " ".join(str(detail or getattr(error, "message", error)).split())
    if len(key) > 4:
        text = text.replace(key, "***")
    return text[:300]
