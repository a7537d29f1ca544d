"""What a field of a spec touches beyond the spec: marks for paths, models, addresses, and variables with keys.

Knows no policy and no file. Who checks specs walks the marks, so that a field which is marked is checked wherever it
stands; a test holds that every field of text is either marked or known to be harmless.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Kind = Literal["read", "write", "models", "hosts", "keys", "modules"]
"""What is touched: a path that is read or written, a model's folder or hub id, an address, a variable with a key, code
that is imported."""
Keys = tuple[str | int, ...]


@dataclass(frozen=True)
class Touch:
    """The mark of a field: its text names a thing of this kind, unless it is one of `but`.

    Where the field holds more than one text, those at any depth below one of the keys `below` are meant.
    """

    kind: Kind
    but: tuple[str, ...] = ()
    below: tuple[str, ...] = ()


@dataclass(frozen=True)
class Touched:
    """One thing that a record touches, and the keys that lead to its name from the record's top."""

    keys: Keys
    kind: Kind
    name: str


def touched(record: BaseModel) -> Iterator[Touched]:
    """Yield all that the record and the records in it touch, by the marks of their fields."""
    for key, field in type(record).model_fields.items():
        value, mark = getattr(record, key), mark_of(field)
        if isinstance(value, BaseModel):
            yield from (Touched((key, *one.keys), one.kind, one.name) for one in touched(value))
        elif mark:
            for keys, name in _names(value, (key,), mark):
                if name not in mark.but:
                    yield Touched(keys, mark.kind, name)


def mark_of(field: FieldInfo) -> Touch | None:
    """Return the mark of a field, wherever it stands in the annotation."""
    found = (one for one in (*field.metadata, *_metadata(field.annotation)) if isinstance(one, Touch))
    return next(found, None)


def _metadata(annotation: Any) -> Iterator[Any]:
    yield from getattr(annotation, "__metadata__", ())
    for inner in get_args(annotation):
        yield from _metadata(inner)


def _names(value: Any, keys: Keys, mark: Touch) -> Iterator[tuple[Keys, str]]:
    """Yield the texts of a field's value that are meant, and the keys that lead to them."""
    meant = not mark.below or any(key in mark.below for key in keys)
    if isinstance(value, str) and meant:
        yield keys, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _names(inner, (*keys, key), mark)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _names(inner, (*keys, number), mark)
