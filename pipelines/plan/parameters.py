"""Finds what the parameters of a generator and of validators touch, by the marks of their types. Knows no policy.

This imports their classes, so a class that a spec from elsewhere names must be allowed before.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import BaseModel

from pipelines.modality import MODALITIES
from pipelines.plan.registry import generator_class, validator_class
from schemas.access import Keys, Touched, touched
from schemas.errors import SpecError
from schemas.plan import Step
from schemas.spec import Spec, parse


@dataclass(frozen=True)
class Place:
    """Something that a spec touches: where the spec names it, and the keys that lead to it in the spec's record."""

    touched: Touched
    held: Keys


def touched_by_parameters(spec: Spec, *, strict: bool) -> Iterator[Place]:
    """Yield what the parameters touch; a default has no keys in the spec.

    The modality is not known before the source is read, so the validators of every modality are considered. If
    `strict`, raises SpecError for an unknown generator or parameters that it does not take; else these touch nothing.
    """
    generator, keys = spec.generator, ("generator", "params")
    names = [generator.name] if generator.name else [one.generator for one in MODALITIES.values()]
    for name in names:
        read = partial(_read, partial(generator_class, name), generator.params, keys)
        yield from _places(read(strict=strict and len(names) == 1), keys, keys, generator.params)
    for number, choice in enumerate(spec.validators or []):
        shown: Keys = ("validate", number, choice.name)
        for modality in _modalities(choice.name):
            found = _read(partial(validator_class, choice.name, modality), choice.params, shown, strict=False)
            yield from _places(found, shown, ("validators", number, "params"), choice.params)


def touched_by_step(cls: Any, step: Step, keys: Keys) -> Iterator[Touched]:
    """Yield what a step's parameters for `cls` touch; raises SpecError for parameters that `cls` does not take."""
    found = parse(cls.Params, step.params, keys)
    yield from (one for one in touched(found) if one.keys[0] in step.params)


def _modalities(validator: str) -> list[str]:
    """Return the modalities that have a validator of this name; a user's own validator serves all alike."""
    if ":" in validator:
        return list(MODALITIES)[:1]
    return [one.name for one in MODALITIES.values() if validator in one.validators]


def _read(load: Callable[[], Any], params: Mapping[str, Any], keys: Keys, *, strict: bool) -> BaseModel | None:
    """Return the parameters as a record of their class, or None if the class does not take them."""
    try:
        found: BaseModel = parse(load().Params, dict(params), keys)
    except SpecError:
        if strict:
            raise
        return None
    return found


def _places(record: BaseModel | None, shown: Keys, held: Keys, given: Mapping[str, Any]) -> Iterator[Place]:
    for one in touched(record) if record else ():
        where = Touched((*shown, *one.keys), one.kind, one.name)
        yield Place(where, (*held, *one.keys) if one.keys[0] in given else ())
