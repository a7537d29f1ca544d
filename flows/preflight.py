"""Checks the machine and the output before a build starts its servers, which would fail after minutes or hang."""

import os
import tempfile
import warnings

from pipelines.dataset.ownership import Replace, check_output
from pipelines.dataset.publish import read_manifest
from pipelines.engine.cluster import longest_socket_path, ray_folder
from pipelines.plan.machine import cluster_address
from pipelines.storage.folder import Folder
from pipelines.storage.workspace import make_workspace
from pipelines.storage.writable import ROOM, refuse_no_loopback, refuse_unwritable_output, why_unwritable
from schemas.errors import MakeweightError, OutputError
from schemas.plan import Plan
from schemas.spec import Spec

SOCKET = 107
"""The most bytes that the path of a socket may have."""


def refuse_taken(spec: Spec, plan: Plan, replace: Replace) -> None:
    """Raise OutputError if the output belongs to another dataset or holds foreign files. The build checks it again."""
    check_output(plan, make_workspace(spec.output.path, plan), replace)


def refuse_unready(spec: Spec, plan: Plan) -> None:
    """Raise MakeweightError, which says what to set, if this machine or the output cannot take the build."""
    workspace = make_workspace(spec.output.path, plan)
    if not _is_published(workspace.output):
        refuse_unwritable_output(workspace)
    _refuse_no_scratch()
    alone, server_home = cluster_address() is None, _home_of_own_server()
    if alone or server_home:
        refuse_no_loopback()
    if server_home:
        _refuse_home(server_home)
    if alone:
        _refuse_ray_folder(ray_folder())


def _is_published(output: Folder) -> bool:
    """Whether the output holds a dataset, which may be on a read-only disk."""
    try:
        return read_manifest(output) is not None
    except (OSError, ValueError, OutputError):  # no path to read from; it is told when it is written to
        return False


def _home_of_own_server() -> str | None:
    """Return the home folder of Prefect's temporary server, or None if the settings name a server."""
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
