"""Computes how many rows each class shall have, from class counts and a strategy. Pure arithmetic; knows no data."""

from collections.abc import Mapping
from datetime import date

from schemas.errors import Fault, SpecError, nearest
from schemas.spec import value_name

Target = str | int | Mapping[str, int]


def compute_targets(counts: Mapping[str, int], target: Target, at_least: int | None = None) -> dict[str, int]:
    """Return the rows each class shall have, in the order of `counts`.

    `largest` and `smallest` take the count of the largest and the smallest class. A number is the target of every
    class. Classes that a mapping leaves out keep their real count. `at_least` replaces `target`; classes that are
    larger keep their real count. Raises SpecError for a class that the source lacks.
    """
    if at_least is not None:
        return {name: max(real, at_least) for name, real in counts.items()}
    if isinstance(target, Mapping):
        target = {_known(name, counts): rows for name, rows in target.items()}
        _refuse_unknown(target, counts)
        return {name: target.get(name, real) for name, real in counts.items()}
    if target == "largest":
        rows = max(counts.values())
    elif target == "smallest":
        rows = min(counts.values())
    else:
        rows = int(target)
    return dict.fromkeys(counts, rows)


def _known(name: str, counts: Mapping[str, int]) -> str:
    """Return the class that a name means: `+1` means the class `1` unless a class is called `+1`."""
    unsigned = name.removeprefix("+")
    return unsigned if name not in counts and unsigned.isdecimal() and unsigned in counts else name


def _refuse_unknown(target: Mapping[str, int], counts: Mapping[str, int]) -> None:
    faults = [
        Fault(
            ("balance", "target", name),
            f"the source has no class {name!r}{_quoted(name, counts)}",
            names=(name, *counts),
        )
        for name in target
        if name not in counts
    ]
    if faults:
        raise SpecError(*faults)


def _quoted(name: str, counts: Mapping[str, int]) -> str:
    """Return a hint at the class that is meant: one that needs quotation marks in YAML, or the nearest name."""
    meant = next((known for known in counts if _unquoted(known) == name), None)
    if meant is None:
        return nearest(name, counts)
    kind = "a boolean" if name in ("true", "false") else name
    return f"; YAML takes {meant} without quotation marks for {kind}: write {meant!r}"


def _unquoted(name: str) -> str | None:
    """Return the class that YAML reads from a name without quotation marks; None where YAML reads a text."""
    import yaml

    try:
        value = yaml.safe_load(name[:100])
    except (yaml.YAMLError, ValueError):
        return None
    return value_name(value) if isinstance(value, bool | int | float | date | None) else None
