"""Writes the reference of the spec as Markdown: `python -m schemas.reference` updates `schemas/README.md`.

The reference has a table for each part of the spec, and one for a worker's policy. All of it comes from the fields of
the models: their types, bounds, defaults and descriptions. Text outside the two marks of the file is kept.
"""

import json
import math
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from schemas.access import mark_of
from schemas.policy import Policy
from schemas.spec import Spec, ValidatorChoice

PAGE = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- begin: python -m schemas.reference -->", "<!-- end: python -m schemas.reference -->"
PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "", Any: "anything"}
PLACES = {"read": "path or URI", "write": "path or URI", "models": "folder or hub id", "keys": "name of a variable"}
BOUNDS = {"ge": "{} or more", "gt": "more than {}", "le": "{} or less", "lt": "less than {}"}


def page(text: str) -> str:
    """Return the text of the page with a new reference between its two marks."""
    before, found, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise ValueError(f"the page holds no {BEGIN} before {END}; put both where the tables shall stand")
    return f"{before}{BEGIN}\n\n{reference()}\n{END}{after}"


def reference() -> str:
    """Return the tables of the spec and of the policy; each part follows the part that holds it."""
    parts = [_table(f"`{path}`" if path else "The whole", model, path) for path, model in _parts(Spec, "")]
    parts.append(_table("An entry of `validate`", ValidatorChoice, ""))
    parts.append(_table("A worker's policy", Policy, ""))
    return "\n".join(parts)


def _parts(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the model and the parts below it, each after the keys that lead to it."""
    yield path, model
    for name, field in model.model_fields.items():
        if inner := part_of(field):
            yield from _parts(inner, f"{path}.{name}".lstrip("."))


def part_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a field if it is a part of the spec, or None for a value or a list."""
    found = (one for one in (field.annotation, *get_args(field.annotation)) if isinstance(one, type))
    return next((one for one in found if issubclass(one, BaseModel)), None)


def _table(title: str, model: type[BaseModel], path: str) -> str:
    lines = [f"### {title}", "", " ".join((model.__doc__ or "").split()), ""]
    lines += ["| key | what it may be | left out | meaning |", "| --- | --- | --- | --- |"]
    lines += [_row(field.alias or name, field, path) for name, field in model.model_fields.items()]
    return "\n".join([*lines, ""])


def _row(key: str, field: FieldInfo, path: str) -> str:
    if part_of(field):
        where = f"{path}.{key}".lstrip(".")
        kind = f"a part: [{where}](#{where.replace('.', '')})"
    else:
        mark = mark_of(field)
        whole = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        kind = PLACES[mark.kind] if mark else _words(whole)
    cells = (f"`{key}`", kind, _default(field), field.description or "")
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    value = field.default
    if isinstance(value, BaseModel) or value is None:
        return "" if value is None else "its defaults"
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _words(annotation: Any) -> str:
    """Describe in words what a type allows, with its bounds."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return " ".join(filter(None, [_words(inner[0]), _bounds(inner[1:])]))
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin in (Union, types.UnionType):
        return ", or ".join(filter(None, map(_words, inner)))
    if origin is list:
        return f"list of {_words(inner[0])}"
    if origin is tuple:
        return f"[{', '.join(map(_words, inner))}]"
    if origin is dict:
        return f"mapping of text to {_words(inner[1])}"
    return PLAIN.get(annotation, "") or (_entry(annotation) if annotation not in PLAIN else "")


def _entry(model: type[BaseModel]) -> str:
    return "names, or {name: {parameter: value}}" if model is ValidatorChoice else model.__name__


def _number(value: float) -> str:
    """Return a bound as text; pydantic takes 0 and 0.0 for equal and keeps the first that it met."""
    value = int(value) if float(value).is_integer() else value
    return f"{value:,}" if value < 2**53 else f"2^{math.log2(value):g}"


def _bounds(metadata: tuple[Any, ...]) -> str:
    """Return the bounds in a type's annotations, as in `(1 or more, 100 or less)`."""
    flat = [one for item in metadata for one in (getattr(item, "metadata", None) or [item])]
    found = ((words, getattr(one, name, None)) for one in flat for name, words in BOUNDS.items())
    said = [words.format(_number(bound)) for words, bound in found if bound is not None]
    lengths = [(getattr(one, "min_length", None), getattr(one, "max_length", None)) for one in flat]
    said += [f"{most} character{'s' * (most > 1)} at most" for _, most in lengths if most]
    return f"({', '.join(dict.fromkeys(said))})" if said else ""


def main() -> None:
    """Update the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
