"""Albumentations' transforms as a spec declares them, by names and parameters: checked and built. Knows no table."""

import inspect
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.errors import nearest

_CHOICES = ("OneOf", "SomeOf", "RandomOrder")
COMPOSITIONS = (*_CHOICES, "Sequential")
FILES = ("reference_images", "font_path")
"""Parameters of transforms that name files, which albumentations reads."""
_NOT_DECLARED = ("Lambda", "ToTensorV2", "ToTensor3D")  # they run code, or make no image


class _Chance(BaseModel):
    """The parameter that albumentations itself does not check in every transform."""

    model_config = ConfigDict(extra="ignore")

    p: float = Field(0.5, ge=0, le=1)


class _Composition(_Chance):
    """The parameters of a composition, beside its transforms."""

    n: int = Field(1, ge=1)
    replace: bool = False


def library() -> Any:
    """Return albumentations, imported so that it does not search the network for a newer version."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations

    return albumentations


def known_transforms() -> dict[str, type]:
    """Return the transforms that a spec may name: albumentations' transforms of images, and compositions of them."""
    albumentations = library()
    excluded = (albumentations.Transform3D, *(getattr(albumentations, name) for name in _NOT_DECLARED))
    images = (albumentations.ImageOnlyTransform, albumentations.DualTransform)
    classes = {name: cls for name, cls in vars(albumentations).items() if inspect.isclass(cls)}
    return {
        name: cls
        for name, cls in classes.items()
        if name in COMPOSITIONS or (issubclass(cls, images) and cls not in images and not issubclass(cls, excluded))
    }


def build_transforms(declared: Sequence[Any]) -> list[Any]:
    """Return the transforms of a list of names and `{name: {parameter: value}}`; compositions hold further ones.

    Raises ValueError for a name, a parameter or a value that albumentations does not know, with the nearest known one.
    """
    known = known_transforms()
    return [_build_entry(item, known) for item in declared]


def _build_entry(item: Any, known: Mapping[str, type]) -> Any:
    name, given = _split_entry(item)
    if name not in known:
        raise ValueError(f"unknown transform {name!r}{nearest(name, known)}")
    parameters = _parameter_names(known[name])
    for parameter in given:
        if parameter not in parameters:
            raise ValueError(
                f"transform {name!r}: unknown parameter {parameter!r}{nearest(str(parameter), parameters)}"
            )
    return (
        _build_composition(name, given, known) if name in COMPOSITIONS else _build_transform(name, known[name], given)
    )


def _split_entry(item: Any) -> tuple[str, dict[str, Any]]:
    """Return the name and the parameters of one entry; a composition may have the list of its transforms instead."""
    if isinstance(item, str):
        return item, {}
    if isinstance(item, Mapping) and len(item) == 1:
        [(name, given)] = item.items()
        if isinstance(given, list) and name in COMPOSITIONS:
            given = {"transforms": given}
        if given is None or isinstance(given, Mapping):
            return str(name), dict(given or {})
        raise ValueError(f"transform {name!r}: its parameters are {{parameter: value}}, got {given!r}")
    raise ValueError(f"a transform is a name or {{name: {{parameter: value}}}}, got {item!r}")


def _parameter_names(cls: type) -> list[str]:
    return [name for name in inspect.signature(cls).parameters if name != "strict"]


def _build_composition(name: str, given: dict[str, Any], known: Mapping[str, type]) -> Any:
    inner = given.pop("transforms", None)
    if not isinstance(inner, list) or not inner:
        raise ValueError(f"transform {name!r}: needs a list of transforms, got {inner!r}")
    _check_parameters(name, _Composition, given)
    if given.get("n", 1) > len(inner) and not given.get("replace"):
        raise ValueError(
            f"transform {name!r}: n: got {given['n']}, and there are {len(inner)} transforms to choose from"
        )
    try:
        return known[name](transforms=[_build_entry(item, known) for item in inner], **given)
    except ZeroDivisionError as error:
        raise ValueError(f"transform {name!r}: all its transforms have p: 0; give one a larger p") from error


def _build_transform(name: str, cls: type, given: dict[str, Any]) -> Any:
    """Return the transform; a value of which albumentations would only warn is an error."""
    _check_parameters(name, _Chance, given)
    strict = {"strict": True} if _is_checked(cls) else {}
    with warnings.catch_warnings(record=True, action="always") as caught:
        try:
            transform = cls(**given, **strict)
        except ValueError as error:
            cause = error.__cause__
            message = (
                _describe_fault(name, cause) if isinstance(cause, ValidationError) else f"transform {name!r}: {error}"
            )
            raise ValueError(message) from error
        except TypeError as error:
            raise ValueError(f"transform {name!r}: {error}") from error
    for warning in caught:
        if str(warning.message).partition(":")[0] in given:  # a value that would be changed; other warnings are advice
            raise ValueError(f"transform {name!r}: {warning.message}")
    return transform


def _is_checked(cls: type) -> bool:
    """Whether albumentations checks the parameters of this class, and so knows the parameter `strict`."""
    return next("InitSchema" in vars(parent) for parent in cls.__mro__ if "__init__" in vars(parent))


def _check_parameters(name: str, model: type[BaseModel], given: dict[str, Any]) -> None:
    try:
        model(**given)
    except ValidationError as error:
        raise ValueError(_describe_fault(name, error)) from error


def _describe_fault(name: str, error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    parameter, got = (str(detail["loc"][0]) if detail["loc"] else ""), detail["input"]
    if detail["type"] == "missing":
        return f"transform {name!r}: the parameter {parameter!r} is missing"
    message = detail["msg"].removeprefix("Value error, ")
    value = f", got {got!r}" if parameter else ""
    return (
        ": ".join(part for part in (f"transform {name!r}", parameter, message[:1].lower() + message[1:]) if part)
        + value
    )


def is_composition(transform: Any) -> bool:
    """Whether a transform holds other transforms."""
    return type(transform).__name__ in COMPOSITIONS


def is_choice(transform: Any) -> bool:
    """Whether a transform applies some of the transforms that it holds."""
    return type(transform).__name__ in _CHOICES
