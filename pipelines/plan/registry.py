"""Finds generators and validators by the names in a spec. Imports no heavy library."""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

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


def generator_class(name: str) -> type[Generator]:
    """Return the class of a generator: a registered name, or `module:Class` for a user's own.

    Raises SpecError with the nearest known name, or with what to add to a class without capabilities.
    """
    cls = _load(name, GENERATORS, ("generator", "name"), "generator")
    if not isinstance(getattr(cls, "capabilities", None), Capabilities):
        raise SpecError(Fault(("generator", "name"), f"{name!r} does not say what it can do; {_CAPABILITIES}"))
    return cast(type[Generator], cls)


def generators_for(modality: str) -> list[str]:
    """Return the registered names of the generators that make rows of this modality."""
    return sorted(name for name in GENERATORS if modality in generator_class(name).capabilities.modalities)


def validator_class(name: str, modality: str, path: tuple[str | int, ...] = ("validate",)) -> type[Validator]:
    """Return the class of a modality's validator, found as in `generator_class`; `path` leads to it in the spec."""
    return cast(type[Validator], _load(name, MODALITIES[modality].validators, path, f"{modality} validator"))


def make_generator(step: Step) -> Generator:
    """Return the generator with its parameters, not yet fitted."""
    cls = generator_class(step.name)
    return cls(parse(cls.Params, step.params, ("generator", "params")))


def make_validators(plan: Plan) -> list[Validator]:
    """Return the plan's validators in order, not yet fitted."""
    made = []
    for number, step in enumerate(plan.validators):
        cls = validator_class(step.name, plan.modality, ("validate", number))
        made.append(cls(parse(cls.Params, step.params, ("validate", number, step.name)), plan))
    return made


def _load(name: str, known: Mapping[str, str], path: tuple[str | int, ...], kind: str) -> Any:
    if name not in known and ":" not in name:
        raise SpecError(Fault(path, f"unknown {kind} {name!r}{nearest(name, known)}"))
    module, _, attribute = known.get(name, name).partition(":")
    if name not in known and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # a user's own class may lie in the working folder
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError) as error:
        if name in known:
            raise
        raise SpecError(Fault(path, f"cannot load {name!r}: {error}; give it as module:Class")) from error
