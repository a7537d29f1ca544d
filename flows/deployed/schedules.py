"""The flow of schedules: reads the spec file at each run, and builds its dataset."""

import os
from collections.abc import Callable, Sequence
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.deployed.request import RETRIES, RETRY_SECONDS
from flows.deployed.worker import build_on_worker
from flows.spec_file import load_spec
from pipelines.storage.folder import Folder, is_uri
from schemas.access import replaced, touched
from schemas.errors import Fault, MakeweightError, SpecError
from schemas.spec import Spec


@flow(
    name="scheduled-build",
    retries=RETRIES,
    retry_delay_seconds=RETRY_SECONDS,
    persist_result=False,
    validate_parameters=False,
)
def scheduled_build(
    spec: Annotated[str, Field(description="The spec file: a URI, or its whole path as the worker knows it.")],
    overrides: Annotated[list[str], Field(description="key.of.spec=value, in place of what the file says.")] = [],  # noqa: B006 Prefect shows it
    replace: Annotated[bool, Field(description="Put this build in the place of the one before.")] = True,
) -> State[Any]:
    """Build the dataset that a spec file asks for; the file is read anew each time."""
    return build_on_worker(lambda guard: read_spec(guard.file_to_read(spec), overrides, guard.admit_modules), replace)


def read_spec(path: str, overrides: Sequence[str], admit: Callable[[Spec], None]) -> Spec:
    """Return the spec in a YAML file at an absolute path or a URI; raises SpecError, which names the file.

    `admit` is asked before any class that the spec names is imported.
    """
    if is_uri(path):
        return _fetch_spec(path, overrides, admit)
    if not os.path.isabs(path):
        raise SpecError(Fault((), f"the spec's path is relative; give it whole, as the worker knows it, got {path!r}"))
    return load_spec(path, overrides, admit)[0]


def _fetch_spec(uri: str, overrides: Sequence[str], admit: Callable[[Spec], None]) -> Spec:
    """Return the spec in a file at a URI. Relative paths in it start at its folder."""
    path, question, options = uri.partition("?")
    above, _, name = path.rpartition("/")
    beside = Folder(f"{above}{question}{options}")
    try:
        text = beside.read(name)
    except (OSError, MakeweightError) as error:
        raise SpecError(Fault((), f"cannot read the spec {Folder(uri).shown}: {error}; check the URI")) from error
    with TemporaryDirectory() as folder:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(text)
        spec, _ = load_spec(os.path.join(folder, name), overrides, admit)
    return _move_paths(spec, os.path.abspath(folder), beside)


def _move_paths(spec: Spec, folder: str, beside: Folder) -> Spec:
    """Return the spec with its paths below `folder`, where a copy of it was read, moved below `beside`."""

    def at(path: str) -> str:
        return beside.at(os.path.relpath(path, folder)).path if path.startswith(f"{folder}/") else path

    for one in touched(spec):
        if one.kind in ("read", "write"):
            spec = replaced(spec, one.keys, at(one.name))
    return spec
