"""The errors that a user may meet, each with the exit code that the command line ends with.

A message says what was wrong, what was got, and what to do next. Anything else that is raised is a fault of
makeweight's own and shows its traceback.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Self

from schemas.secrets import redacted_but
from schemas.terminal import escaped


class MakeweightError(Exception):
    """Any failure that is explained to the user in one plain message.

    It never shows credentials, nor characters that a terminal would obey: a name from the source may hold them.
    `names` are classes of the source that it quotes, and that are no credentials, though they may look like some.
    """

    exit_code = 1
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return escaped(redacted_but(super().__str__(), self.names))

    def naming(self, names: Iterable[str]) -> Self:
        """Return this error, which quotes these classes as they are."""
        self.names = tuple(names)
        return self


Lines = Mapping[tuple[str | int, ...], int]
"""Line numbers of a YAML file by the keys that lead to them."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a spec, and the keys that lead to it from the top.

    `names` are words of the source that it quotes, and that are no credentials, though they may look like some.
    """

    path: tuple[str | int, ...]
    problem: str
    names: tuple[str, ...] = ()

    def describe(self, file: str = "", lines: Lines | None = None) -> str:
        """Return `file:line: generator.name: problem`, leaving out what is not known."""
        known = [self.path[:n] for n in range(len(self.path), 0, -1) if self.path[:n] in (lines or {})]
        line = str(lines[known[0]]) if lines and known else ""
        place = ":".join(part for part in (file, line) if part)
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path).lstrip(".")
        return ": ".join(part for part in (place, key, self.problem) if part)


class SpecError(MakeweightError):
    """The spec asks for something that cannot be; holds every fault that was found."""

    exit_code = 2

    def __init__(self, *faults: Fault, file: str = "", lines: Lines | None = None) -> None:
        self.faults, self.file, self.lines = faults, file, dict(lines or {})
        self.names = tuple(name for fault in faults for name in fault.names)
        super().__init__("\n".join(fault.describe(file, lines) for fault in faults))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the faults, so that the error crosses to another process whole."""
        return (_spec_error, (self.faults, self.file, self.lines))

    def located(self, file: str, lines: Lines) -> "SpecError":
        """Return the same faults with the spec file's name and line numbers."""
        return SpecError(*self.faults, file=file, lines=lines)


def _spec_error(faults: tuple[Fault, ...], file: str, lines: Lines) -> SpecError:
    return SpecError(*faults, file=file, lines=lines)


class SourceError(MakeweightError):
    """The source cannot be read as the spec says; one line, whatever the names in it hold."""

    exit_code = 2

    def __str__(self) -> str:
        return super().__str__().replace("\n", "\\n")


class OutputError(MakeweightError):
    """The output folder cannot take the dataset (it holds another build, is full, or may not be written)."""

    exit_code = 2


class DamageError(MakeweightError):
    """A file that a build keeps for itself is not what was written there, or is `gone`.

    `path` is the file's within its filesystem. A build makes it again by itself; this is told where that cannot be.
    """

    def __init__(self, path: str, shown: str, gone: bool = False) -> None:
        self.path, self.shown, self.gone = path, shown, gone
        problem = "is gone" if gone else "is damaged: its bytes are not those that were written"
        super().__init__(f"{shown} {problem}; run the same command again, and it is made again")

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the parts, so that the error crosses to another process whole."""
        return (DamageError, (self.path, self.shown, self.gone))


class ShortfallError(MakeweightError):
    """One or more classes could not reach their target within the budget."""

    exit_code = 3


class BudgetError(MakeweightError):
    """The tokens or the money that the spec allows are spent; what was bought is kept, and is not paid for again."""

    exit_code = 3


class GeneratorError(MakeweightError):
    """A generator failed on a request in a way that trying again does not mend."""


class CheckError(MakeweightError):
    """A generator or a validator breaks what its protocol promises; a line for each promise."""


class PrivacyError(MakeweightError):
    """Made rows give away more of the real ones than the spec allows; they are not published."""


class VerifyError(MakeweightError):
    """A published dataset does not agree with its manifest."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the known word nearest to `word`, or the list of known words if none is near."""
    known = sorted(known)
    lowered = {name.lower(): name for name in reversed(known)}
    close = get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {lowered[close[0]]!r}?"
    return f"; known are {', '.join(known)}" if known else ""
