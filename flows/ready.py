"""What is found out before a build starts its servers, since they take minutes to say it, or never do."""

import os
import tempfile
import warnings

from pipelines.dataset.claim import Replace, check_output
from pipelines.dataset.publish import read_manifest
from pipelines.engine.reach import longest_socket_path, ray_folder
from pipelines.plan.machine import cluster_address
from pipelines.storage.folder import Folder
from pipelines.storage.ready import ROOM, refuse_no_loopback, refuse_unwritable_output, why_unwritable
from pipelines.storage.workspace import make_workspace
from schemas.errors import MakeweightError, OutputError
from schemas.plan import Plan
from schemas.spec import Spec

SOCKET = 107
"""Bytes that the path of a socket may have."""


def refuse_taken(spec: Spec, plan: Plan, replace: Replace) -> None:
    """Raise OutputError where the output is another's or holds something else; the build looks again."""
    check_output(plan, make_workspace(spec.output.path, plan), replace)


def refuse_unready(spec: Spec, plan: Plan) -> None:
    """Raise MakeweightError, which says what to set, where this machine or the output cannot take the build."""
    place = make_workspace(spec.output.path, plan)
    if not _published(place.output):
        refuse_unwritable_output(place)
    _refuse_no_scratch()
    alone, server_home = cluster_address() is None, _home_of_own_server()
    if alone or server_home:
        refuse_no_loopback()
    if server_home:
        _refuse_home(server_home)
    if alone:
        _refuse_ray_folder(ray_folder())


def _published(output: Folder) -> bool:
    """Whether a dataset is there, which may lie where nothing can be written any more."""
    try:
        return read_manifest(output) is not None
    except (OSError, ValueError, OutputError):  # no path to read from; it is told when it is written to
        return False


def _home_of_own_server() -> str | None:
    """Return where Prefect keeps what its temporary server knows, or nothing where a server is named."""
    with warnings.catch_warnings(action="ignore"):  # it warns of a folder that it cannot make
        from prefect.settings import PREFECT_API_URL, PREFECT_HOME
    return None if PREFECT_API_URL.value() else str(PREFECT_HOME.value())


def _refuse_home(home: str) -> None:
    if reason := why_unwritable(home, ROOM):
        told = "PREFECT_HOME" if "PREFECT_HOME" in os.environ else f"HOME is {os.environ.get('HOME', 'not set')}, and"
        raise MakeweightError(
            f"{told} {home} cannot be written ({reason}): set PREFECT_HOME to a folder that can, in which Prefect keeps"
            " its runs, or PREFECT_API_URL to a server that runs"
        )


def _refuse_no_scratch() -> None:
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError as error:
        raise MakeweightError(f"there is no folder for temporary files ({error.strerror}): set TMPDIR to one") from None
    if reason := why_unwritable(folder, ROOM):
        raise MakeweightError(
            f"the folder for temporary files, {folder}, cannot be written ({reason}): set TMPDIR to one that can"
        )


def _refuse_ray_folder(folder: str) -> None:
    if reason := why_unwritable(folder, ROOM):
        raise MakeweightError(
            f"{folder} cannot be written ({reason}), where Ray keeps its sockets and logs: set RAY_TMPDIR to a folder"
            " of a short path that can"
        )
    if (length := len(os.fsencode(longest_socket_path(folder)))) > SOCKET:
        raise MakeweightError(
            f"Ray's sockets in {folder} would have paths of {length} bytes, and {SOCKET} is the most: set RAY_TMPDIR to"
            " a folder of a shorter path"
        )
