"""Reads a spec from a YAML file. Errors name the file and the line. Reads no data."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from pipelines.plan.parameters import touched_by_parameters
from pipelines.storage.folder import is_uri
from schemas.access import replaced, touched
from schemas.errors import Fault, Lines, SpecError
from schemas.spec import Spec, parse

MAX_BYTES = 1_000_000
MAX_DEPTH = 64
MAX_DIGITS = 40


def load_spec(
    path: str, overrides: Sequence[str] = (), admit: Callable[[Spec], None] = lambda _: None
) -> tuple[Spec, Lines]:
    """Return the spec in a YAML file, and the line of each of its keys.

    `overrides` are texts `key.of.spec=value` with the value in YAML. Relative paths in the file start at its folder;
    they are made absolute. The classes that the spec names tell which parameters are paths; before any class is
    imported, `admit` may refuse the spec. Raises SpecError with all faults.

    Example::

        spec, _ = load_spec("spec.yaml", ["balance.target=500"])
    """
    data, lines = read_mapping(path)
    with add_location(path, lines):
        for override in overrides:
            _apply_override(data, override)
        spec = parse(Spec, data)
    admit(spec)
    return _absolute(spec, os.path.dirname(os.path.abspath(path))), lines


def read_mapping(path: str, kind: str = "spec") -> tuple[dict[str, Any], Lines]:
    """Return the mapping in a YAML file of plain values, and the line of each of its keys; raises SpecError."""
    node = _compose(os.path.basename(path), _read_text(path))
    lines = dict(_key_lines(node, ()))
    with add_location(path, lines):
        data = _construct(node)
        if not isinstance(data, dict):
            raise SpecError(Fault((), f"a {kind} is a mapping of keys, got {type(data).__name__}"))
    return data, lines


@contextmanager
def add_location(path: str, lines: Lines) -> Iterator[None]:
    """Add the spec file's name and line to any SpecError that the block raises."""
    try:
        yield
    except SpecError as error:
        raise error.located(os.path.basename(path), lines) from error.__cause__


def _read_text(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise SpecError(Fault((), f"{path} has more than {MAX_BYTES:,} bytes; that is no spec"))
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        raise SpecError(Fault((), f"no such file: {path}")) from None
    except (OSError, ValueError) as error:  # not UTF-8, or not a path
        raise SpecError(Fault((), f"cannot read {path}: {error}; a spec is a YAML file in UTF-8")) from error


def _compose(name: str, text: str) -> yaml.Node:
    try:
        _refuse_bombs(name, text)
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SpecError(Fault((), f"{name}{line}: not YAML: {error.problem or error.context}")) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: an escape that is no character
        raise SpecError(Fault((), f"{name}: not YAML: {error}")) from error
    if node is None:
        raise SpecError(Fault((), f"{name} is empty; a spec has at least name, source and output"))
    return node


def _refuse_bombs(name: str, text: str) -> None:
    """Refuse aliases, deep nesting and tags before the text is parsed: a few lines of them could fill the memory."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise SpecError(Fault((), f"{name}: nested too deeply; a spec has {MAX_DEPTH} levels at most"))
        if isinstance(event, yaml.AliasEvent):
            raise SpecError(Fault((), f"{name}: YAML aliases (*name) are not accepted; write the value out"))
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            line = f":{event.start_mark.line + 1}" if event.start_mark else ""
            raise SpecError(Fault((), f"{name}{line}: YAML tags (!name) are not accepted; write a plain value"))


def _construct(node: yaml.Node) -> Any:
    """Return the node's value; raises SpecError for repeated keys, and for values that no key of a spec can have."""
    loader = yaml.SafeLoader("")
    try:
        _refuse_repeated(node)
        _refuse_odd_values(node)
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise SpecError(Fault((), f"not a value of YAML: {getattr(error, 'problem', error)}")) from error
    finally:
        loader.dispose()


def _refuse_repeated(node: yaml.Node, path: tuple[str | int, ...] = ()) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if str(key.value) in seen:
                raise SpecError(Fault((*path, str(key.value)), "this key stands twice; remove one"))
            seen.add(str(key.value))
            _refuse_repeated(value, (*path, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            _refuse_repeated(item, (*path, number))


def _refuse_odd_values(node: yaml.Node, path: tuple[str | int, ...] = ()) -> None:
    """Refuse numbers with too many digits, and characters that no path or text can have."""
    if isinstance(node, yaml.ScalarNode):
        if node.tag.endswith(":int") and len(node.value) > MAX_DIGITS:
            raise SpecError(Fault(path, f"a number of {len(node.value):,} digits is too large for anything here"))
        if re.search("[\0\ud800-\udfff]", node.value):
            problem = f"holds NUL or half a surrogate pair, which is no character, got {node.value[:80]!r}"
            raise SpecError(Fault(path, problem))
    for name, inner in _list_items(node):
        _refuse_odd_values(inner, (*path, name))


def _list_items(node: yaml.Node) -> Iterator[tuple[str | int, yaml.Node]]:
    """Yield the nodes within a node, each with its key or number; also the nodes of keys."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = str(key.value)[:80]
            yield from ((name, key), (name, value))
    elif isinstance(node, yaml.SequenceNode):
        yield from enumerate(node.value)


def _key_lines(node: yaml.Node, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*path, str(key.value)), key.start_mark.line + 1
            yield from _key_lines(value, (*path, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield (*path, number), item.start_mark.line + 1
            yield from _key_lines(item, (*path, number))


def _apply_override(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise SpecError(Fault((), f"--set takes key.of.spec=value, got {override!r}"))
    *parents, last = key.split(".")
    if len(parents) > MAX_DEPTH:
        raise SpecError(Fault((), f"--set {key[:80]}: nested too deeply; a spec has {MAX_DEPTH} levels at most"))
    value = _construct(_compose(f"--set {key}", text)) if text.strip() else None
    for parent in parents:
        data = data.setdefault(parent, {})
        if not isinstance(data, dict):
            raise SpecError(Fault((), f"--set {key}: {parent!r} holds no keys"))
    data[last] = value


def _absolute(spec: Spec, base: str) -> Spec:
    """Make relative paths start at `base`: those of the spec, and of files and models that are there."""
    for one in touched(spec):
        if one.kind in ("read", "write") and not is_uri(one.name):
            spec = replaced(spec, one.keys, os.path.join(base, os.path.expanduser(one.name)))
        elif one.kind == "models":
            spec = replaced(spec, one.keys, _beside(one.name, base))
    for place in touched_by_parameters(spec, strict=False):
        if place.touched.kind in ("read", "models"):
            spec = replaced(spec, place.held, _beside(place.touched.name, base))
    return spec


def _beside(name: str, base: str) -> str:
    """Return the whole path of what is in `base`; else it may name a model on a hub."""
    inside = os.path.join(base, name)
    return inside if os.path.exists(inside) else name
