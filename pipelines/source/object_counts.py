"""Writes and reads the number of objects of each class in an image as text, which names the image's stratum."""

from collections import Counter

import pyarrow as pa

NOTHING = "none"
"""The text for an image without objects."""
_ESCAPES = {"%": "%25", ",": "%2C", "=": "%3D"}


def contents(objects: pa.Array) -> pa.Array:
    """Return the number of objects of each class in each image as text, such as `RBC=3, WBC=1`, sorted by class.

    Commas, equals signs and percent signs in a class's name are percent-encoded (RFC 3986).
    """
    return pa.array([None if row is None else _written(row) for row in objects.to_pylist()], pa.string())


def _written(row: list[dict[str, object]]) -> str:
    counts = Counter(_escaped(str(one["category"])) for one in row)
    return ", ".join(f"{name}={count}" for name, count in sorted(counts.items())) or NOTHING


def _escaped(name: str) -> str:
    return "".join(_ESCAPES.get(letter, letter) for letter in name)


def read_contents(text: str) -> dict[str, int]:
    """Return the number of objects of each class from a text that `contents` wrote."""
    if text == NOTHING:
        return {}
    pairs = (part.rpartition("=") for part in text.split(", "))
    return {_plain(name): int(count) for name, _, count in pairs}


def _plain(name: str) -> str:
    for letter, written in reversed(_ESCAPES.items()):
        name = name.replace(written, letter)
    return name
