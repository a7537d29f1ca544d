"""The errors that a user may meet, each with its exit code for the command line.

A message says what was wrong, what was got, and what to do next. Any other exception is a fault of makeweight and shows
its traceback.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Self

from schemas.secrets import all_redacted, redacted, redacted_but
from schemas.terminal import escaped

_NO_TEXTS = ("true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf")
"""Words that YAML does not read as texts."""


@dataclass(frozen=True)
class Advice:
    """A key of the spec that mends a refusal (`path` leads to it), and its new value.

    Messages show the advice as a spec writes it, and `init` applies it, so both always agree. A tuple is a list whose
    values are added to the key's list; None leaves the key out.

    >>> str(Advice(("source", "missing_label"), "drop"))
    'source.missing_label: drop'
    >>> str(Advice(("source", "split"), None))
    'leave out source.split'
    """

    path: tuple[str, ...]
    value: str | tuple[str | int, ...] | None

    @property
    def key(self) -> str:
        """The key as `--set` takes it: `source.missing_label`."""
        return ".".join(self.path)

    @property
    def plain(self) -> Any:
        """The value in the types of YAML and JSON."""
        return list(self.value) if isinstance(self.value, tuple) else self.value

    def __str__(self) -> str:
        return f"leave out {self.key}" if self.value is None else f"{self.key}: {_as_yaml(self.plain)}"

    def applied(self, draft: Mapping[str, Any]) -> dict[str, Any]:
        """Return a copy of the spec `draft` (a mapping) in which the advice is applied."""
        return _with(draft, self.path, self.plain)

    def record(self) -> dict[str, Any]:
        """Return the advice as JSON, without credentials."""
        return {"key": redacted(self.key), "value": all_redacted(self.plain)}


def _with(draft: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    key, *below = path
    held = draft.get(key)
    if below:
        return {**draft, key: _with(held or {}, tuple(below), value)}
    if isinstance(held, list) and isinstance(value, list):
        value = [*held, *(one for one in value if one not in held)]
    return {**draft, key: value}


def _as_yaml(value: Any) -> str:
    """Return a value as one line of YAML: words without quotes, others in quotes."""
    if isinstance(value, list):
        return f"[{', '.join(map(_as_yaml, value))}]"
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w-]*", value) and value.lower() not in _NO_TEXTS
    return str(value) if plain else json.dumps(value)


class MakeweightError(Exception):
    """A failure that is explained to the user in one plain message.

    The message never shows credentials or control characters of a terminal, which a name from the source may hold.

    `code` identifies the failure for machines, and stays the same if the message is reworded. If a key of the spec
    mends the failure, `advice` names it, and the message shows it.
    """

    exit_code = 1
    code = "failed"
    advice: Advice | None = None
    names: tuple[str, ...] = ()
    """Classes of the source that the message quotes; they may look like credentials, but are shown."""

    def __init__(self, *said: object, code: str | None = None, advice: Advice | None = None) -> None:
        super().__init__(*said)
        self.code, self.advice = code or self.code, advice  # pickled with the error, since they are in `__dict__`

    def record(self) -> dict[str, Any]:
        """Return the error as JSON: its message, code, advice and exit code."""
        advice = self.advice.record() if self.advice else None
        return {"error": str(self), "code": self.code, "advice": advice, "exit_code": self.exit_code}

    def __str__(self) -> str:
        return escaped(redacted_but(super().__str__(), self.names))

    def naming(self, names: Iterable[str]) -> Self:
        """Return this error after setting the classes that its message quotes unchanged."""
        self.names = tuple(names)
        return self


Lines = Mapping[tuple[str | int, ...], int]
"""Line numbers of a YAML file by the keys that lead to them."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a spec, and the keys that lead to it from the top.

    `code`, `advice` and `names` mean the same as in `MakeweightError`.
    """

    path: tuple[str | int, ...]
    problem: str
    code: str = "spec"
    advice: Advice | None = None
    names: tuple[str, ...] = ()

    def describe(self, file: str = "", lines: Lines | None = None) -> str:
        """Return `file:line: generator.name: problem` without the parts that are unknown."""
        known = [self.path[:n] for n in range(len(self.path), 0, -1) if self.path[:n] in (lines or {})]
        line = str(lines[known[0]]) if lines and known else ""
        place = ":".join(part for part in (file, line) if part)
        return ": ".join(part for part in (place, self.key, self.problem) if part)

    @property
    def key(self) -> str:
        """The keys as messages show them: `validate[0].name`."""
        return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path).lstrip(".")

    def record(self) -> dict[str, Any]:
        """Return the fault as JSON, without credentials."""
        advice = self.advice.record() if self.advice else None
        return {"key": redacted(self.key), "code": self.code, "problem": redacted(self.problem), "advice": advice}


class SpecError(MakeweightError):
    """The spec asks for something impossible; holds every fault, and the advice of the first fault that has one."""

    exit_code = 2
    code = "spec"

    def __init__(self, *faults: Fault, file: str = "", lines: Lines | None = None) -> None:
        self.faults, self.file, self.lines = faults, file, dict(lines or {})
        said = "\n".join(fault.describe(file, lines) for fault in faults)
        advice = next((fault.advice for fault in faults if fault.advice), None)
        super().__init__(said, code=faults[0].code if faults else None, advice=advice)
        self.names = tuple(name for fault in faults for name in fault.names)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the faults, so that another process gets the whole error."""
        return (_spec_error, (self.faults, self.file, self.lines))

    def record(self) -> dict[str, Any]:
        """Return the error as JSON, with each fault."""
        return {**super().record(), "faults": [fault.record() for fault in self.faults]}

    def located(self, file: str, lines: Lines) -> "SpecError":
        """Return the same faults with the spec file's name and line numbers."""
        return SpecError(*self.faults, file=file, lines=lines)


def _spec_error(faults: tuple[Fault, ...], file: str, lines: Lines) -> SpecError:
    return SpecError(*faults, file=file, lines=lines)


class SourceError(MakeweightError):
    """The source cannot be read as the spec says; the message is one line, even if names hold line ends."""

    exit_code = 2
    code = "source"

    def __str__(self) -> str:
        return super().__str__().replace("\n", "\\n")


class OutputError(MakeweightError):
    """The output folder cannot take the dataset (it holds another build, is full, or may not be written)."""

    exit_code = 2
    code = "output"


class DamageError(MakeweightError):
    """An internal file of a build differs from what was written, or is `gone`.

    `path` is the path of the file within its filesystem. A build makes the file again by itself; the user sees this
    error only if that is impossible.
    """

    code = "damage"

    def __init__(self, path: str, shown: str, gone: bool = False) -> None:
        self.path, self.shown, self.gone = path, shown, gone
        problem = "is gone" if gone else "is damaged: its bytes are not those that were written"
        super().__init__(f"{shown} {problem}; run the same command again, and it is made again")

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the arguments, so that another process gets the whole error."""
        return (DamageError, (self.path, self.shown, self.gone))


class ShortfallError(MakeweightError):
    """One or more classes could not reach their target within the budget."""

    exit_code = 3
    code = "shortfall"


class BudgetError(MakeweightError):
    """The tokens or the money that the spec allows are spent; answers that were paid for are kept and used again."""

    exit_code = 3
    code = "budget"


class ValidatorError(MakeweightError):
    """A validator of the user's own raised an exception."""

    code = "validator"


class GeneratorError(MakeweightError):
    """A generator failed on a request, and a retry would not help."""

    code = "generator"


class CheckError(MakeweightError):
    """A generator or a validator breaks promises of its protocol; the message has a line for each promise."""

    code = "check"


class PrivacyError(MakeweightError):
    """Made rows reveal more of the real ones than the spec allows; they are not published."""

    code = "privacy"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the known word nearest to `word`, or the list of known words if none is near."""
    known = sorted(known)
    lowered = {name.lower(): name for name in reversed(known)}
    close = get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {lowered[close[0]]!r}?"
    return f"; known are {', '.join(known)}" if known else ""


def join_first(names: Iterable[str], most: int = 3) -> str:
    """Return the first names, joined by commas, and the number of the others.

    >>> join_first(["a.csv", "b.csv", "c.csv", "d.csv"])
    'a.csv, b.csv, c.csv and 1 more'
    """
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
