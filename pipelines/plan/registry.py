"""Finds generators and validators by the names in a spec. Imports no heavy library."""

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from generators import GENERATORS
from generators.base import Capabilities, Generator
from pipelines.modality import MODALITIES
from pipelines.validate.base import Validator
from schemas.errors import Fault, SpecError, nearest
from schemas.plan import Plan, Step
from schemas.spec import parse

_CAPABILITIES = (
    'write into the class: capabilities = Capabilities(modalities=("tabular",)), with Capabilities from generators.base'
    " and the modalities that it makes"
)
_PARAMS = "generators.base.Params"


def generator_class(name: str) -> type[Generator]:
    """Return the class of a generator: a registered name, or `module:Class` for a user's own.

    Raises SpecError with the nearest known name, or with what to add to a class without capabilities.
    """
    cls = _load(name, GENERATORS, ("generator", "name"), "generator")
    if not isinstance(getattr(cls, "capabilities", None), Capabilities):
        raise SpecError(Fault(("generator", "name"), f"{name!r} does not say what it can do; {_CAPABILITIES}"))
    return cast(type[Generator], _with_params(cls, name, ("generator", "name")))


def generators_for(modality: str) -> list[str]:
    """Return the registered names of the generators that make rows of this modality."""
    return sorted(name for name in GENERATORS if modality in generator_class(name).capabilities.modalities)


def validator_class(name: str, modality: str, path: tuple[str | int, ...] = ("validate",)) -> type[Validator]:
    """Return the class of a modality's validator, found as in `generator_class`; `path` leads to it in the spec."""
    cls = _load(name, MODALITIES[modality].validators, path, f"{modality} validator")
    return cast(type[Validator], _with_params(cls, name, path))


def make_generator(step: Step) -> Generator:
    """Return the generator with its parameters, not yet fitted."""
    cls, path = generator_class(step.name), ("generator", "name")
    params = parse(cls.Params, step.params, ("generator", "params"))
    with _explain_misfit(step.name, path, "a generator is: {}; see generators/base.py"):
        return cls(params)


def make_validators(plan: Plan) -> list[Validator]:
    """Return the plan's validators in order, not yet fitted."""
    made = []
    for number, step in enumerate(plan.validators):
        path = ("validate", number)
        cls = validator_class(step.name, plan.modality, path)
        params = parse(cls.Params, step.params, (*path, step.name))
        with _explain_misfit(step.name, path, "a validator is: {}; see pipelines/validate/base.py"):
            made.append(cls(params, plan))
    return made


def _with_params(cls: Any, name: str, path: tuple[str | int, ...]) -> Any:
    """Return a class of the user's own; raises SpecError if it does not say which parameters it takes."""
    params = getattr(cls, "Params", None)
    if not (isinstance(params, type) and issubclass(params, BaseModel)):
        raise SpecError(Fault(path, f"{name!r} has no class Params; write one into it, derived from {_PARAMS}"))
    return cls


@contextmanager
def _explain_misfit(name: str, path: tuple[str | int, ...], problem: str) -> Iterator[None]:
    """Raise SpecError if a class of the user's own cannot be made; `problem` has room for the exception."""
    try:
        yield
    except TypeError as error:
        if ":" not in name:
            raise
        raise SpecError(Fault(path, f"{name!r} cannot be made as {problem.format(error)}")) from error


def _load(name: str, known: Mapping[str, str], path: tuple[str | int, ...], kind: str) -> Any:
    if name not in known and ":" not in name:
        raise SpecError(Fault(path, f"unknown {kind} {name!r}{nearest(name, known)}"))
    module, _, attribute = known.get(name, name).partition(":")
    if name not in known and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # a user's own class may lie in the working folder
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:
        if name in known:
            raise
        raise SpecError(Fault(path, f"cannot load {name!r}: {_describe(error, module)}")) from error


def _describe(error: Exception, module: str) -> str:
    """Say why a module of the user's own cannot be imported, and what to do."""
    if isinstance(error, ModuleNotFoundError) and error.name and not f"{module}.".startswith(f"{error.name}."):
        return f"{error}; install it"
    if isinstance(error, ModuleNotFoundError | AttributeError):
        return f"{error}; give it as module:Class"
    return f"importing {module} raises {type(error).__name__}: {error}; mend the module"
