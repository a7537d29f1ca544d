"""Describes every generator and validator that a spec may name, from their own code. Reads no spec and no data."""

import inspect
import re
import types
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter

from generators import GENERATORS
from generators.base import Capabilities
from pipelines.modality import MODALITIES
from pipelines.plan.registry import generator_class, validator_class
from schemas.errors import Fault, SpecError, nearest

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z`\"'])")
_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
_SHOWN = 60
"""Characters of a default that are shown; machines get all."""


@dataclass(frozen=True)
class Parameter:
    """One parameter: type, limits, default and description."""

    name: str
    type: str
    limits: str
    required: bool
    default: Any
    description: str


@dataclass(frozen=True)
class Entry:
    """One generator or validator; `needs` says in words what it requires, or gains from."""

    name: str
    modalities: list[str]
    default_of: list[str]
    summary: str
    description: str
    parameters: list[Parameter]
    needs: list[str] = field(default_factory=list)
    licence: str = ""
    notes: list[str] = field(default_factory=list)


def generator_entries(name: str | None = None) -> list[Entry]:
    """Return every generator, or the one of this name; raises SpecError with the nearest name for one not known."""
    if name is not None:
        _check_known(name, list(GENERATORS), "generator")
    return [_describe_generator(one) for one in ([name] if name is not None else GENERATORS)]


def validator_entries(name: str | None = None) -> list[Entry]:
    """Return every validator of every modality, or those of this name; raises SpecError as `generator_entries` does."""
    known = [(kind.name, one) for kind in MODALITIES.values() for one in kind.validators]
    if name is None:
        return [_describe_validator(one, modality) for modality, one in known]
    _check_known(name, [one for _, one in known], "validator")
    if ":" in name:
        return [_describe_validator(name, "")]
    return [_describe_validator(one, modality) for modality, one in known if one == name]


def _check_known(name: str, known: list[str], kind: str) -> None:
    if name not in known and ":" not in name:
        raise SpecError(Fault((), f"unknown {kind} {name!r}{nearest(name, set(known))}"))


def _describe_generator(name: str) -> Entry:
    cls = generator_class(name)
    able = cls.capabilities
    return Entry(
        name=name,
        modalities=list(able.modalities),
        default_of=[kind.name for kind in MODALITIES.values() if kind.generator == name],
        summary=_summary(cls),
        description=_read_docstring(cls),
        parameters=_list_parameters(cls.Params),
        needs=list(_list_needs(able)),
        licence=able.licence,
        notes=list(_list_notes(able)),
    )


def _describe_validator(name: str, modality: str) -> Entry:
    cls = validator_class(name, modality or next(iter(MODALITIES)))
    return Entry(
        name=name,
        modalities=[modality] if modality else [],
        default_of=list(_list_defaults(name, modality)),
        summary=_summary(cls),
        description=_read_docstring(cls),
        parameters=_list_parameters(cls.Params),
    )


def _list_defaults(name: str, modality: str) -> Iterator[str]:
    """Yield the modality that the validator is a default of, also as `marked` if it is one for marked objects."""
    one = MODALITIES.get(modality)
    if one and name in one.checks:
        yield modality
    if one and name in one.marked_checks:
        yield f"marked {modality}"


def _read_docstring(cls: type) -> str:
    """Return a class's docstring with each paragraph in one line."""
    paragraphs = (inspect.getdoc(cls) or "").split("\n\n")
    return "\n".join(" ".join(one.split()) for one in paragraphs)


def _summary(cls: type) -> str:
    """Return the first sentence of a class's docstring."""
    return _SENTENCE.split(_read_docstring(cls).partition("\n")[0])[0]


def _list_needs(able: Capabilities) -> Iterator[str]:
    if able.packages:
        yield f"the package{'s' * (len(able.packages) > 1)} {', '.join(able.packages)}"
    if able.needs_gpu:
        yield "a GPU"
    elif able.uses_gpu:
        yield "no GPU, but it gains from one"
    yield f"{able.min_class_rows:,} real row{'s' * (able.min_class_rows > 1)} of each class"
    if able.needs_one_size:
        yield "images of one size"


def _list_notes(able: Capabilities) -> Iterator[str]:
    yield f"its rows are {able.origin}"
    yield f"makes {able.min_chunk_rows:,} to {able.max_chunk_rows:,} rows at once"
    if able.makes_objects:
        yield "makes what is marked in images, too"
    if able.smooths_private:
        yield "shows no rare value of the columns in source.private"
    if able.differentially_private:
        yield "is differentially private"
    if able.skips:
        yield f"leaves out the validators {', '.join(sorted(able.skips))} unless the spec names them"


def _list_parameters(params: type[BaseModel]) -> list[Parameter]:
    return [
        Parameter(
            name=one.alias or name,
            type=type_name(one.annotation),
            limits=", ".join(f"{sign} {getattr(mark, key)}" for mark in one.metadata for key, sign in _limits(mark)),
            required=one.is_required(),
            default=None if one.is_required() else _to_plain(one.get_default(call_default_factory=True)),
            description=one.description or "",
        )
        for name, one in params.model_fields.items()
    ]


def _to_plain(value: Any) -> Any:
    """Return a value as JSON types."""
    return TypeAdapter(Any).dump_python(value, mode="json")


def _limits(mark: Any) -> Iterator[tuple[str, str]]:
    """Yield the names of the bounds in a field's metadata, each with its sign."""
    yield from ((key, sign) for key, sign in _SIGNS.items() if getattr(mark, key, None) is not None)


def type_name(kind: Any) -> str:
    """Return the name of a type in plain words.

    >>> type_name(int | None)
    'int or null'
    >>> type_name(dict[str, tuple[float, ...]])
    'mapping of list of float'
    """
    origin, inner = get_origin(kind), get_args(kind)
    if kind is None or kind is types.NoneType:
        return "null"
    if origin is Literal:
        return " or ".join(str(value) for value in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(type_name(one) for one in inner))
    if isinstance(origin, type) and issubclass(origin, dict):
        return f"mapping of {type_name(inner[1])}"
    if origin in (list, tuple, set, frozenset):
        return f"list of {' or '.join(dict.fromkeys(type_name(one) for one in inner if one is not ...))}"
    if origin is not None:  # Annotated, and other types with an inner type
        return type_name(inner[0])
    return _plain_name(kind)


def _plain_name(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(str(one.value) for one in kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return f"mapping ({', '.join(kind.model_fields)})"
    return {"str": "text", "Any": "anything"}.get(name := getattr(kind, "__name__", str(kind)), name)


def entries_json(entries: list[Entry]) -> list[dict[str, Any]]:
    """Return entries as JSON."""
    return [asdict(entry) for entry in entries]


def list_lines(entries: list[Entry]) -> list[str]:
    """Return the lines of a list of entries, by modality."""
    lines: list[str] = []
    width = max(len(entry.name) for entry in entries)
    for modality in dict.fromkeys(one for entry in entries for one in entry.modalities):
        lines += [*[""] * bool(lines), modality]
        for entry in entries:
            if modality in entry.modalities:
                default = " (default)" * (modality in entry.default_of)
                lines.append(f"  {entry.name:<{width}}  {entry.summary}{default}")
    return lines


def entry_lines(entry: Entry) -> list[str]:
    """Return the lines on one entry: description, facts and parameters."""
    lines = [entry.name, *(f"  {line}" for line in entry.description.split("\n")), ""]
    facts = {
        "rows": ", ".join(entry.modalities),
        "default of": ", ".join(entry.default_of),
        "needs": ", ".join(entry.needs),
        "licence": f"{entry.licence}: not an open-source one; read its terms" if entry.licence else "",
        "notes": "; ".join(entry.notes),
    }
    lines += [f"{key:<11}{value}" for key, value in facts.items() if value]
    return [*lines, *parameter_lines(entry.parameters)]


def parameter_lines(parameters: list[Parameter]) -> list[str]:
    """Return the lines on parameters: description, type, limits and default of each."""
    if not parameters:
        return ["parameters none"]
    width = max(len(one.name) for one in parameters)
    lines = ["parameters"]
    for one in parameters:
        lines.append(f"  {one.name:<{width}}  {one.description}")
        default = "required" if one.required else f"default {_format_default(one.default)}"
        lines.append(f"  {'':<{width}}  {', '.join(filter(None, [one.type, one.limits, default]))}")
    return lines


def _format_default(default: Any) -> str:
    said = "null" if default is None else str(default).lower() if isinstance(default, bool) else repr(default)
    return said if len(said) <= _SHOWN else f"{said[: _SHOWN - 1]}…"
