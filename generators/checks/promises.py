"""The shared parts of checks: how they run, how they report, and what they observe. Knows no protocol.

`generators.checks` and `pipelines.validate.checks` list the promises of generators and validators. No check needs a
test runner.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from pydantic import BaseModel

from generators.checks.traps import attacks
from schemas.access import unmarked
from schemas.errors import CheckError, MakeweightError, SpecError, nearest
from schemas.spec import parse

Subject = TypeVar("Subject")
HEAVY = (
    "torch", "sdv", "pandas", "imblearn", "sklearn", "transformers", "openai", "regex", "vllm", "diffusers",
    "albumentations", "cv2", "opacus",
)  # fmt: skip
"""Libraries that take seconds to import; a class must import them inside its methods."""
_SAID = 300
"""The most characters that are shown of a class's exception."""


@dataclass(frozen=True)
class Promise(Generic[Subject]):
    """A promise of a class in words, and its check: `faults` yields each observation that breaks the promise."""

    says: str
    faults: Callable[[Subject], Iterator[str]]

    def check(self, subject: Subject, name: str) -> None:
        """Raise CheckError with one sentence if the promise is broken; `name` is the name of the class."""
        try:
            got = next(self.faults(subject), None)
        except Exception as error:  # noqa: BLE001 a class of a user's own may raise anything
            got = _told(error)
        if got is not None:
            raise CheckError(f"{name} breaks a promise: {self.says}; got {got}")


def broken_promises(
    checks: Mapping[str, Promise[Subject]], subject: Subject, name: str, skip: Collection[str] = ()
) -> Iterator[str]:
    """Yield a sentence for each broken promise; raises CheckError if `skip` names an unknown check."""
    for skipped in skip:
        if skipped not in checks:
            raise CheckError(f"there is no check {skipped!r}{nearest(skipped, checks)}")
    for key, promise in checks.items():
        if key not in skip:
            try:
                promise.check(subject, name)
            except CheckError as error:
                yield f"{error} (check {key})"


def _told(error: Exception) -> str:
    """Return the type and the message of an exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:_SAID]}"


def params_faults(cls: Any) -> Iterator[str]:
    """Yield the faults of a class's `Params`, which must refuse unknown keys and be valid without any key."""
    params = getattr(cls, "Params", None)
    if not (isinstance(params, type) and issubclass(params, BaseModel)):
        yield f"{params!r}; write class Params(generators.base.Params)"
        return
    try:
        parse(params, {"no_such_parameter": 1})
    except SpecError as error:
        if not any("no_such_parameter" in fault.path for fault in error.faults):
            yield f"{str(error)!r} for the unknown parameter 'no_such_parameter'"
    else:
        yield "no error for the unknown parameter 'no_such_parameter'; derive it from generators.base.Params"


def touch_faults(cls: Any) -> Iterator[str]:
    """Yield the parameters of a class whose names suggest that they touch something, but whose types have no mark."""
    for name, kind in unmarked(cls.Params):
        yield f'{name!r} without a mark; write {name}: Annotated[str, Touch("{kind}")], with Touch from schemas.access'


def import_faults(*classes: type) -> Iterator[str]:
    """Yield why another process cannot import classes as `module:Class`, or which heavy libraries this loads."""
    alone = [said for said in map(known_here_alone, classes) if said]
    if alone:
        yield from alone
        return
    names = [(cls.__module__, cls.__qualname__) for cls in classes]
    code = (
        "import importlib, sys\n"
        f"for module, name in {names!r}:\n"
        "    getattr(importlib.import_module(module), name)\n"
        f"print(*[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = in_another_process(code)
    if done.returncode:
        yield done.stderr.strip().rpartition("\n")[2]
    elif done.stdout.strip():
        modules = ", ".join(sorted({module for module, _ in names}))
        yield f"{done.stdout.strip()} loaded by importing {modules}; import what is heavy inside the methods"


def known_here_alone(cls: type) -> str:
    """Return why no other process can import a class; empty if one might."""
    if cls.__module__ != "__main__" and "<" not in cls.__qualname__:
        return ""
    return f"{cls.__module__}:{cls.__qualname__}, which no other process can import; write it into a module"


def in_another_process(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new Python process that finds the same modules as this one, and return its result."""
    start = f"import sys; sys.path[:] = {json.dumps(sys.path)}; sys.argv = ['', *{json.dumps(list(arguments))}]\n"
    return subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True, check=False)  # noqa: S603


def code_faults(save: Callable[[Path], object], load: Callable[[Path], object]) -> Iterator[str]:
    """Yield the first saved file that can run code at loading if someone replaces it."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "saved"
        folder.mkdir()
        save(folder)
        for attacked in attacks(folder, Path(scratch)):
            with Unheard(), suppress(Exception):  # any refusal is a good one
                load(attacked.folder)
            if attacked.mark.exists():
                yield f"code of {attacked.name!r} that ran when it was loaded; read no pickles"
                return


def global_state() -> dict[str, Any]:
    """Return the global random state of each loaded library."""
    name, keys, *rest = np.random.get_state()
    state: dict[str, Any] = {"random": random.getstate(), "numpy": (name, tuple(keys), *rest)}
    if "torch" in sys.modules:
        state["torch"] = sys.modules["torch"].get_rng_state().tolist()
    return state


class Unheard:
    """Captures all terminal output while it is open, from Python and from native libraries, in `text`."""

    text = ""

    def __enter__(self) -> "Unheard":
        self._kept = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self._redirected = _redirected(self._kept)
        self._redirected.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._redirected.__exit__(None, None, None)
        self._kept.seek(0)
        self.text = self._kept.read()
        self._kept.close()


@contextmanager
def _redirected(file: Any) -> Iterator[None]:
    """Redirect both output streams of this process into a file, and restore them at the end."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(1), os.dup(2)]
    try:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        with redirect_stdout(file), redirect_stderr(file):
            yield
        file.flush()
    finally:
        for number, kept in zip((1, 2), saved, strict=True):
            os.dup2(kept, number)
            os.close(kept)


def refusal_fault(call: Callable[[], object], kind: type[MakeweightError], told: str) -> str | None:
    """Return what a call did instead of raising a `kind` error whose message contains `told`, or None."""
    try:
        call()
    except kind as error:
        return None if told in str(error) else f"the error {str(error)!r}"
    except Exception as error:  # noqa: BLE001 a class of a user's own may raise anything
        return f"{_told(error)}, which is no {kind.__name__}"
    return "no error"
