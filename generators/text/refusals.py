"""What an endpoint's failures mean: which pass, which never will, and what a user can do. Knows the openai client."""

from dataclasses import dataclass
from typing import Any

from schemas.errors import BudgetError, GeneratorError, MakeweightError
from schemas.secrets import told_variable

_TOO_LONG = ("context_length", "context length", "maximum context", "context window", "too long", "too many tokens")
_FORMAT = ("response_format", "json_schema", "json_object", "guided", "structured output", "schema", "grammar")
_PASSING = {408, 409, 425, 429}


class NoAnswerError(Exception):
    """What came back is not the answer of a chat endpoint."""


def FAILURES() -> tuple[type[Exception], ...]:  # noqa: N802 - stands for a constant whose import is heavy
    """Return the exceptions that `explain` knows."""
    import openai

    return (openai.APIError, NoAnswerError)


@dataclass(frozen=True)
class Refused:
    """A failure in words; `final` if trying again does not mend it."""

    message: str
    final: bool
    kind: type[MakeweightError] = GeneratorError

    def after(self, attempts: int) -> MakeweightError:
        """Return the error that ends the build."""
        tried = "" if self.final else f" ({attempts} attempts)"
        return self.kind(f"{self.message}{tried}; answers so far are kept and are not paid for again")


def explain(error: Exception, url: str, key_name: str, key: str) -> Refused:
    """Return what the failure means; the key is struck out of what the endpoint said."""
    import openai

    said = _said(error, key)
    if isinstance(error, openai.APITimeoutError):
        return Refused(f"{url}: no answer in time; raise generator.params.timeout or lower concurrency", False)
    if isinstance(error, openai.APIConnectionError):
        cause = f"{type(error.__cause__).__name__}: {error.__cause__}" if error.__cause__ else said
        return Refused(f"{url}: cannot be reached ({cause}); check base_url, and that the server runs", False)
    if isinstance(error, openai.APIStatusError):
        return _explain_status(error, url, key_name, said)
    return Refused(f"{url}: the answer is not one of a chat endpoint ({said}); check base_url", False)


def _explain_status(error: Any, url: str, key_name: str, said: str) -> Refused:
    status = error.status_code
    if status in (401, 403):
        problem = f"refuses the key in {told_variable(key_name)} ({status}: {said}); set it to a valid one"
        return Refused(f"{url}: {problem}", True)
    if 300 <= status < 400:
        problem = (
            f"sends callers to another address ({status}), and rows go to this one alone; set base_url to the other"
        )
        return Refused(f"{url}: {problem}", True)
    if status == 404:
        return Refused(f"{url}: not found (404: {said}); check base_url (it often ends in /v1) and model", True)
    if status == 402 or getattr(error, "code", None) == "insufficient_quota":
        return Refused(f"{url}: the account has no money left ({status}: {said}); add to it", True, BudgetError)
    if any(sign in said.lower() for sign in _TOO_LONG) or getattr(error, "code", None) == "context_length_exceeded":
        problem = f"the model's context is too short for the prompt ({status}: {said})"
        return Refused(f"{url}: {problem}; lower examples, example_letters, rows_per_call or max_tokens", True)
    if status >= 500 or status in _PASSING:
        return Refused(f"{url}: failed with {status}: {said}", False)
    return Refused(f"{url}: refuses the request ({status}: {said}); check model and the generator's parameters", True)


def wrong_format(error: Any) -> bool:
    """Return whether a refused request may be one whose response format is not known."""
    said = _said(error, "").lower()
    return any(sign in said for sign in _FORMAT)


def seems_absent(error: Exception) -> bool:
    """Return whether nobody listens at the address."""
    import openai

    return isinstance(error, openai.APIConnectionError) and type(error.__cause__).__name__ == "ConnectError"


def pause_asked(error: Any) -> float | None:
    """Return the seconds that the endpoint asks to wait, if it does."""
    response = getattr(error, "response", None)
    try:
        return float(response.headers["retry-after"]) if response is not None else None
    except (KeyError, ValueError):  # not asked for, or as a date
        return None


def _said(error: Any, key: str) -> str:
    body = getattr(error, "body", None)
    detail = body.get("message") or body.get("detail") if isinstance(body, dict) else body
    text = " ".join(str(detail or getattr(error, "message", error)).split())
    if len(key) > 4:
        text = text.replace(key, "***")
    return text[:300]
