"""Looks generators and validators up by the names that a spec gives them. Imports no heavy library."""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from generators import GENERATORS
from generators.base import Generator
from pipelines.modality import MODALITIES
from pipelines.validate.base import Validator
from schemas.errors import Fault, SpecError, nearest
from schemas.plan import Plan, Step
from schemas.spec import parse


def generator_class(name: str) -> type[Generator]:
    """Return the class of a generator: a registered name, or `module:Class` for a user's own.

    Raises SpecError with the nearest known name.
    """
    return cast(type[Generator], _load(name, GENERATORS, ("generator", "name"), "generator"))


def generators_for(modality: str) -> list[str]:
    """Return the registered names of the generators that make rows of this modality."""
    return sorted(name for name in GENERATORS if modality in generator_class(name).modalities)


def needs_one_size(generator: type[Generator]) -> bool:
    """Whether a generator of images learns from images of one size alone."""
    return bool(getattr(generator, "one_size", False))


def makes_objects(generator: type[Generator]) -> bool:
    """Whether a generator of images makes what is marked in them too."""
    return bool(getattr(generator, "objects", False))


def smooths_private(generator: type[Generator]) -> bool:
    """Whether a generator of tables shows no rare values of private columns."""
    return bool(getattr(generator, "smooths_private", False))


def validator_class(name: str, modality: str, path: tuple[str | int, ...] = ("validate",)) -> type[Validator]:
    """Return the class of a modality's validator, as `generator_class` does; `path` is where the spec names it."""
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
        sys.path.append(str(Path.cwd()))  # a user's own class lies beside where the command runs
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError) as error:
        if name in known:
            raise
        raise SpecError(Fault(path, f"cannot load {name!r}: {error}; give it as module:Class")) from error
