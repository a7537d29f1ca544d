"""Hashes what decides rows beside spec and source: a user's own code, and the models and lists that a spec names.

Each of them is identified by a hash of its files. The files of a module are its own and those of the modules beside it
that its import statements name; for an installed package, those within that package. A model named by a hub id is
identified by the id alone.
"""

import ast
import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.plan.parameters import touched_by_step
from pipelines.plan.registry import generator_class, validator_class
from pipelines.storage.file_hashes import hash_contents
from schemas.errors import Fault, GeneratorError, SpecError
from schemas.hashing import json_hash
from schemas.plan import Plan, Step

_OURS = Path(__file__).parents[1]
_ROOMS = {"flows", "pipelines", "generators", "schemas"}
_INSTALLED = {"site-packages", "dist-packages"}


def outside(generator: Step, validators: Sequence[Step], modality: str) -> dict[str, str]:
    """Return the hash of the code, models and lists that the steps use, by where the spec names each of them.

    The validators are those of `modality`. Raises SpecError for code that is in no file.
    """
    code = {name: _hash_code(module, tuple(name.split("."))) for name, module in _own_code(generator, validators)}
    return {**code, **_files(generator, validators, modality)}


def _own_code(generator: Step, validators: Sequence[Step]) -> Iterator[tuple[str, str]]:
    """Yield each module of the user's own, after the place in the spec that names it (`module:Class`)."""
    for path, step in _steps(generator, validators):
        if ":" in step.name:
            yield ".".join(map(str, path)), step.name.partition(":")[0]


def refuse_other_code(plan: Plan) -> None:
    """Raise GeneratorError if this process has imported code that differs from the code of the plan."""
    modules = {name: module for name, module in _own_code(plan.generator, plan.validators) if module in sys.modules}
    other = sorted(name for name, module in modules.items() if plan.outside.get(name) != _hash_code(module, (name,)))
    if other:
        raise GeneratorError(
            f"{', '.join(other)}: the code is another one here than where the build was started;"
            " bring the same files to all machines, and run the same command again"
        )


def _steps(generator: Step, validators: Sequence[Step]) -> Iterator[tuple[tuple[str | int, ...], Step]]:
    yield ("generator", "name"), generator
    for number, step in enumerate(validators):
        yield ("validate", number), step


def _files(generator: Step, validators: Sequence[Step], modality: str) -> dict[str, str]:
    found = {}
    for path, step in _steps(generator, validators):
        for name, value in _named(path, step, modality):
            place = os.path.expanduser(value)
            if os.path.exists(place):
                found[f"{'.'.join(map(str, path[: 1 if path[0] == 'generator' else 2]))}.{name}"] = hash_contents(place)
    return found


def _named(path: tuple[str | int, ...], step: Step, modality: str) -> Iterator[tuple[str, str]]:
    """Yield the files, folders and models that a step's parameters name, each with its keys.

    A user's own class may have unmarked parameters, so each of its texts that looks like a path is yielded too.
    """
    if path[0] == "generator":
        found = touched_by_step(generator_class(step.name), step, ("generator", "params"))
    else:
        found = touched_by_step(validator_class(step.name, modality, path), step, (*path, step.name))
    for one in found:
        if one.kind in ("read", "models"):
            yield ".".join(map(str, one.keys)), one.name
    if ":" in step.name:
        yield from ((name, value) for name, value in _texts(step.params) if os.sep in value)


def _texts(params: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in params.items():
        if isinstance(value, str):
            yield f"{above}{name}", value
        elif isinstance(value, Mapping):
            yield from _texts(value, f"{above}{name}.")


def _hash_code(module: str, path: tuple[str | int, ...]) -> str:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or not os.path.isfile(spec.origin):
        problem = f"the code of {module!r} is in no file, so that a change of it could not be seen; give it as a file"
        raise SpecError(Fault(path, problem))
    above = module.count(".") + (spec.submodule_search_locations is not None)
    root = Path(spec.origin).resolve().parents[above]
    files = _reachable(module, root)
    files[module] = Path(spec.origin)
    hashes = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in sorted(files.items())}
    return json_hash(hashes, sort_keys=False)


def _reachable(module: str, root: Path) -> dict[str, Path]:
    """Return the files of the module and of all modules below `root` that it imports, directly or not, by name."""
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = None if name in found else _file(name, root)
        if file is None or (root.name in _INSTALLED and name.split(".")[0] != module.split(".")[0]):
            continue
        found[name] = file
        waiting += name.rpartition(".")[:1]  # Python runs a package's own file before its modules
        waiting += _imported(file, name if file.name == "__init__.py" else name.rpartition(".")[0])
    return found


def _file(name: str, root: Path) -> Path | None:
    """Return the file of a module below `root`; None if there is none, or for makeweight's own modules."""
    if not name or (root == _OURS and name.split(".")[0] in _ROOMS):
        return None
    base = root.joinpath(*name.split("."))
    return next((file for file in (base / "__init__.py", base.with_suffix(".py")) if file.is_file()), None)


def _imported(file: Path, package: str) -> Iterator[str]:
    """Yield the names of all modules that a file may import."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # the file is not run, or its import raises the error
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*filter(None, above), *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)
