"""Checks before a build's work that the folders it needs can be made and written, and says in a sentence why not.

It writes a probe file: permissions alone do not tell, since even root can make no folder in /proc.
"""

import errno
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from itertools import product
from uuid import uuid4

import pyarrow as pa
from pyarrow import fs

from pipelines.storage.folder import TEMPORARY, Folder, is_uri, resolve
from pipelines.storage.workspace import SHOW, VERSIONS, Workspace
from schemas.errors import Fault, MakeweightError, OutputError, SpecError
from schemas.manifest import DATA
from schemas.secrets import redacted
from schemas.spec import Spec

LOOPBACK = "127.0.0.1"
ROOM = 1 << 20
"""Bytes that must be free in a folder for scratch files."""
ANSWER = 10.0
"""Seconds that a connection within this machine may take."""


def refuse_unwritable_output(workspace: Workspace) -> None:
    """Raise OutputError unless the output's folder can be made and written. An object store is not checked here."""
    if not isinstance(workspace.hidden.filesystem, fs.LocalFileSystem):
        return
    if reason := why_unwritable(workspace.hidden.inner()):
        shown = (workspace.series or workspace.output).shown
        raise OutputError(f"{shown}: may not be written ({reason}); give the rights or choose another output.path")
    _refuse_closed(workspace)
    _refuse_no_folders(workspace)
    _refuse_two_disks(workspace)


def _refuse_closed(workspace: Workspace) -> None:
    """Raise OutputError where a folder that is there lets this user not look into it, or put nothing there."""
    for folder in (workspace.output, workspace.output.at(DATA), *([workspace.series] if workspace.series else [])):
        path = folder.inner()
        if os.path.isdir(path) and not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise OutputError(f"{path}: may not be read and written; give the rights or choose another output.path")


def _refuse_no_folders(workspace: Workspace) -> None:
    """Raise OutputError if something else has the path of a folder that a build needs."""
    data = workspace.output.at(DATA)
    for folder in (
        data,
        workspace.models,
        workspace.evaluation,
        workspace.work,
        *map(workspace.hidden.at, (SHOW, VERSIONS)),
    ):
        path = folder.inner()
        if os.path.lexists(path) and not os.path.isdir(path):
            raise OutputError(f"{path} lies where makeweight needs a folder; move it elsewhere, and run it again")


def _refuse_two_disks(workspace: Workspace) -> None:
    """Raise OutputError if a finished file cannot be renamed into the output, since that is on another disk."""
    made = [
        workspace.hidden,
        workspace.hidden.at(SHOW),
        workspace.work,
        workspace.work.at("publish"),
        workspace.work.at(f"publish/{DATA}"),
    ]
    shown = [workspace.output, workspace.output.at(DATA), *([workspace.series] if workspace.series else [])]
    for source, target in product(_existing_paths(made), _existing_paths(shown)):
        if _is_other_disk(source, target):
            raise OutputError(
                f"{source} and {target} lie on two disks, and a build renames its finished files from one to the"
                " other; put both on one, without a link or a mount between them"
            )


def _existing_paths(folders: Iterable[Folder]) -> list[str]:
    return [folder.inner() for folder in folders if os.path.isdir(folder.inner())]


def _is_other_disk(source: str, target: str) -> bool:
    """Whether two folders are on different disks. Tries a rename that fails in any case: no file can be named `.`."""
    try:
        os.rename(os.path.join(source, f"{uuid4().hex[:8]}{TEMPORARY}"), os.path.join(target, "."))
    except OSError as error:
        return error.errno == errno.EXDEV or os.stat(source).st_dev != os.stat(target).st_dev
    return False


def why_unwritable(folder: str, size: int = 1) -> str | None:
    """Return why no file of `size` bytes can be written in a folder, or None. The probe file is removed."""
    made: list[str] = []
    probe = os.path.join(folder, f"{uuid4().hex[:8]}{TEMPORARY}")
    try:
        for path in _missing_folders(folder):
            os.mkdir(path)
            made.append(path)
        with open(probe, "xb") as file:
            file.write(bytes(size))
        os.remove(probe)
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError):
            os.remove(probe)
        return _describe_error(error)
    finally:
        for path in reversed(made):
            with suppress(OSError):
                os.rmdir(path)
    return None


def _missing_folders(folder: str) -> list[str]:
    """Return the missing folders on the way to this one, the uppermost first."""
    missing: list[str] = []
    while not os.path.isdir(folder) and os.path.dirname(folder) != folder:
        if os.path.lexists(folder):
            raise NotADirectoryError(errno.ENOTDIR, f"Not a directory: {folder}")
        missing.insert(0, folder)
        folder = os.path.dirname(folder)
    return missing


def _describe_error(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full"
    if isinstance(error, FileNotFoundError):
        return "no folder can be made there"
    return (isinstance(error, OSError) and error.strerror) or str(error)


def refuse_no_loopback() -> None:
    """Raise MakeweightError unless processes of this machine can connect by its loopback interface."""
    try:
        with socket.create_server((LOOPBACK, 0)) as server:
            socket.create_connection(server.getsockname(), timeout=ANSWER).close()
    except OSError as error:
        raise MakeweightError(
            f"this machine has no loopback interface that answers ({LOOPBACK}: {error.strerror or error}), by which the"
            " processes of a build talk; bring it up (`ip link set lo up`), or give the container or sandbox a network"
        ) from None


def refuse_nested(spec: Spec) -> None:
    """Raise SpecError if the output is in a source's folder, where the next build would read its files as rows."""
    read = {"the source's folder": spec.source.path}
    if spec.evaluate:
        read["the folder of the held-out rows"] = spec.evaluate.test
    output = _normalise_path(spec.output.path)
    for name, path in read.items():
        if f"{output}/".startswith(f"{_normalise_path(path).rstrip('/')}/"):
            problem = f"lies in {name}, whose next reading would take it for rows, got {redacted(spec.output.path)!r}"
            raise SpecError(Fault(("output", "path"), f"{problem}; give a folder outside {redacted(path)}"))


def _normalise_path(path: str) -> str:
    """Return a path without links and `..`; a URI of a store without its options and credentials."""
    if is_uri(path) and path.startswith("file:"):
        with suppress(pa.ArrowInvalid):  # reported where it is opened
            return os.path.realpath(resolve(path)[1])
    if not is_uri(path):
        return os.path.realpath(path)
    bare = path.partition("?")[0]
    scheme, _, rest = bare.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].rstrip('/')}"
