"""Marks the fields of a spec that name something outside it: paths, models, addresses, and variables with keys.

A check of a spec finds the marks, so a marked field is checked wherever it stands. A test requires that every field of
text is marked or known to be harmless. Knows no policy and no file.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Kind = Literal["read", "write", "models", "hosts", "keys", "modules"]
"""The kinds of things that a field touches: a path that is read or written, a model's folder or hub id, an address, a
variable with a key, code that is imported."""
Keys = tuple[str | int, ...]
_NAMED: Mapping[tuple[str, ...], Kind] = {
    ("path", "file", "folder", "dir", "directory"): "read",
    ("model", "lora", "checkpoint"): "models",
    ("url", "uri", "host", "address"): "hosts",
    ("env",): "keys",
}
"""What a field probably touches, by the last word of its name."""


@dataclass(frozen=True)
class Touch:
    """The mark of a field whose text names a thing of this kind, unless the text is one of `but`.

    If the field holds several texts, the mark applies to those at any depth below one of the keys `below`.
    """

    kind: Kind
    but: tuple[str, ...] = ()
    below: tuple[str, ...] = ()


class Untouching:
    """The mark of a field whose text touches nothing here, in spite of its name (a model on a server, for example)."""


@dataclass(frozen=True)
class Touched:
    """One thing that a record touches, and the keys that lead to its name from the record's top."""

    keys: Keys
    kind: Kind
    name: str


def touched(record: BaseModel) -> Iterator[Touched]:
    """Yield everything that the record and the records in it touch, by the marks of their fields."""
    for key, field in type(record).model_fields.items():
        value, mark = getattr(record, key), mark_of(field)
        for keys, inner in _records(value, (key,)):
            yield from (Touched((*keys, *one.keys), one.kind, one.name) for one in touched(inner))
        if mark:
            for keys, name in _names(value, (key,), mark):
                if name not in mark.but:
                    yield Touched(keys, mark.kind, name)


def _records(value: Any, keys: Keys) -> Iterator[tuple[Keys, BaseModel]]:
    """Yield the records in a field's value, or the value if it is a record, each with the keys that lead to it."""
    if isinstance(value, BaseModel):
        yield keys, value
    for key, inner in _items(value):
        yield from _records(inner, (*keys, key))


def _items(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list | tuple):
        yield from enumerate(value)


def replaced(holder: Any, keys: Keys, name: str) -> Any:
    """Return a copy of a record, a mapping or a list with `name` at these keys; without keys, return it unchanged."""
    if not keys:
        return holder
    key, rest = keys[0], keys[1:]
    inner = getattr(holder, str(key)) if isinstance(holder, BaseModel) else holder[key]
    new = replaced(inner, rest, name) if rest else name
    if isinstance(holder, BaseModel):
        return holder.model_copy(update={str(key): new})
    if isinstance(holder, Mapping):
        return {**holder, key: new}
    return [new if number == key else one for number, one in enumerate(holder)]


def unmarked(model: type[BaseModel]) -> Iterator[tuple[str, Kind]]:
    """Yield each unmarked field of text whose name suggests that it touches something, and the kind of that thing.

    A name is no proof, so this is used only for a hint to the class's author.
    """
    for name, field in model.model_fields.items():
        for inner in _models_in(field.annotation):
            yield from ((f"{name}.{below}", kind) for below, kind in unmarked(inner))
        kind = next((kind for ends, kind in _NAMED.items() if name.lower().rpartition("_")[2] in ends), None)
        told = any(isinstance(one, Touch | Untouching) for one in _marks(field))
        if kind and _holds_text(field.annotation) and not told:
            yield name, kind


def _holds_text(annotation: Any) -> bool:
    if get_origin(annotation) is Literal:
        return False
    plain = isinstance(annotation, type) and issubclass(annotation, str | os.PathLike)
    return plain or any(map(_holds_text, get_args(annotation)))


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def mark_of(field: FieldInfo) -> Touch | None:
    """Return the mark of a field from any depth of its annotation, or None."""
    return next((one for one in _marks(field) if isinstance(one, Touch)), None)


def _marks(field: FieldInfo) -> Iterator[Any]:
    yield from field.metadata
    yield from _metadata(field.annotation)


def _metadata(annotation: Any) -> Iterator[Any]:
    yield from getattr(annotation, "__metadata__", ())
    for inner in get_args(annotation):
        yield from _metadata(inner)


def _names(value: Any, keys: Keys, mark: Touch) -> Iterator[tuple[Keys, str]]:
    """Yield the texts of a field's value that the mark applies to, each after the keys that lead to it."""
    meant = not mark.below or any(key in mark.below for key in keys)
    if isinstance(value, str | os.PathLike) and meant:
        yield keys, os.fspath(value)
    for key, inner in _items(value):
        yield from _names(inner, (*keys, key), mark)
