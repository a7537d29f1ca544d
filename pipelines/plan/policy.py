"""Checks a spec against a policy, before anything that it names is read, sent, imported or written.

No other module decides this. It imports a generator's class only after its module is allowed. It resolves links on this
machine, and never reads a file. It returns the real paths that were checked in place of local paths, so a link that is
changed later leads nowhere else.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import pyarrow as pa
from pyarrow import fs

from generators.hub import is_path
from pipelines.plan.parameters import Place, touched_by_parameters
from pipelines.storage.folder import is_uri
from pipelines.storage.workspace import HIDDEN
from schemas.access import Keys, Touched, replaced, touched
from schemas.errors import Fault, SpecError
from schemas.plan import Plan
from schemas.policy import Policy, read_origin, read_store
from schemas.secrets import redacted
from schemas.spec import Spec

SETTING = "MAKEWEIGHT_POLICY"
"""The environment variable of a worker that names its policy, a YAML file."""
_EXAMPLE = "`read: [/data]` and `write: [/data/balanced]`"
_DONE = {
    "read": "read",
    "write": "write",
    "models": "load models from",
    "hub": "download",
    "hosts": "call",
    "keys": "take a key from",
    "modules": "import",
}
"""The action of a worker on the things in each list of the policy."""
_HUB_ID = re.compile(r"([\w.-]+/)?[\w.-]+", re.ASCII)


class _RefusedError(Exception):
    """The policy forbids a name; `listed` is the policy's list that could allow it, `oddity` what is wrong with it."""

    def __init__(self, listed: str, oddity: str = "") -> None:
        self.listed, self.oddity = listed, oddity


@dataclass(frozen=True)
class Guard:
    """A policy and the file that it was read from; without a file nothing is allowed."""

    policy: Policy
    file: str | None = None

    def admitted(self, spec: Spec) -> Spec:
        """Return the spec with local paths replaced by real ones.

        Raises SpecError with every fault against the policy. Modules come first, so that no forbidden one is imported.
        """
        self.admit_modules(spec)
        for place, name in self._refuse(_places(spec)):
            spec = replaced(spec, place.held, name)
        return spec

    def admit_modules(self, spec: Spec) -> None:
        """Raise SpecError for a user's own module that the policy does not allow."""
        self._refuse(_modules(spec))

    def admit_plan(self, plan: Plan) -> None:
        """Raise SpecError for a plan of more rows than the policy allows."""
        rows, most = sum(stratum.target for stratum in plan.strata), self.policy.max_rows
        if most is not None and rows > most:
            problem = f"asks for {rows:,} rows, and the policy of this worker allows {most:,} (max_rows in {self.file})"
            raise SpecError(Fault(("balance", "target"), problem))

    def file_to_read(self, path: str) -> str:
        """Return the real path of a spec file, or its URI; raises SpecError if it may not be read."""
        ((_, name),) = self._refuse([Place(Touched((), "read", path), ())])
        return name

    def _refuse(self, places: Iterable[Place]) -> list[tuple[Place, str]]:
        """Return each thing that is touched with the name to use; raises SpecError with all that are not allowed."""
        passed, faults = [], []
        for place in places:
            try:
                passed.append((place, self._allowed(place.touched)))
            except _RefusedError as error:
                faults.append(Fault(place.touched.keys, self._told(place.touched.name, error)))
        if faults:
            raise SpecError(*dict.fromkeys(faults if self.file else faults[:1]))
        return passed

    def _told(self, name: str, error: _RefusedError) -> str:
        shown = repr(redacted(name)[:200])
        if error.oddity:
            return f"{shown} {error.oddity}"
        if self.file is None:
            return (
                f"this worker may not {_DONE[error.listed]} {shown}, since no policy says what it may: write a YAML"
                f" file, such as {_EXAMPLE}, and start the worker with {SETTING} set to its path (see SECURITY.md)"
            )
        allowed = ", ".join(map(redacted, getattr(self.policy, error.listed))) or "nothing"
        return (
            f"the policy of this worker does not let it {_DONE[error.listed]} {shown}; allowed: {allowed}; whoever runs"
            f" the worker can add to `{error.listed}` in {self.file}"
        )

    def _allowed(self, one: Touched) -> str:
        """Return the name to use; raises _RefusedError for a name that the policy does not allow."""
        checks = {"modules": self._module, "keys": self._key, "hosts": self._host, "models": self._model}
        return checks[one.kind](one.name) if one.kind in checks else self._path(one.name, one.kind)

    def _module(self, name: str) -> str:
        if name.partition(":")[0] not in self.policy.modules:
            raise _RefusedError("modules")
        return name

    def _key(self, name: str) -> str:
        if not any(fnmatchcase(name, pattern) for pattern in self.policy.keys):
            raise _RefusedError("keys")
        return name

    def _host(self, address: str) -> str:
        try:
            origin = read_origin(address)
        except ValueError as error:
            raise _RefusedError("hosts", str(error)) from None
        if origin not in map(read_origin, self.policy.hosts):
            raise _RefusedError("hosts")
        return address

    def _model(self, name: str) -> str:
        """Return the real path of a model's folder, or the id of a model on the hub."""
        if os.path.isabs(name):
            return self._path(name, "models")
        if is_path(name) or os.path.exists(name) or not _HUB_ID.fullmatch(name) or ".." in name:
            raise _RefusedError("models", "is neither a whole path of this worker nor the id of a model on the hub")
        if not any(fnmatchcase(name, pattern) for pattern in self.policy.hub):
            raise _RefusedError("hub")
        return name

    def _path(self, path: str, kind: str) -> str:
        """Return the real path of a local file or folder, or the URI; both must lie below an allowed one."""
        local = _local(path, kind)
        if local is None:
            return self._store(path, kind)
        if HIDDEN in local.split(os.sep):
            raise _RefusedError(kind, f"lies in a dataset's own folder {HIDDEN}, which is for its builds alone")
        roots = [os.path.realpath(root) for root in getattr(self.policy, kind) if not is_uri(root)]
        if not _below(local, roots):
            raise _RefusedError(kind)
        if kind != "read":  # the source's reader refuses links in its folder itself
            _refuse_links(local, kind, roots)
        return local

    def _store(self, uri: str, kind: str) -> str:
        try:
            place = read_store(uri)
        except ValueError as error:
            raise _RefusedError(kind, str(error)) from None
        if HIDDEN in place.path.split("/"):
            raise _RefusedError(kind, f"lies in a dataset's own folder {HIDDEN}, which is for its builds alone")
        if not any(read_store(root).holds(place) for root in getattr(self.policy, kind) if is_uri(root)):
            raise _RefusedError(kind)
        return uri


def _local(path: str, kind: str) -> str | None:
    """Return the real path of a local file or folder, or None for a URI; refuses a path that is not absolute."""
    if is_uri(path) and path.partition("://")[0].lower() != "file":
        return None
    try:
        inner = fs.FileSystem.from_uri(path)[1] if is_uri(path) else path
        if not os.path.isabs(inner):
            raise _RefusedError(kind, "is no whole path; give it whole, as the worker knows it")
        return os.path.realpath(inner)
    except (ValueError, OSError, pa.ArrowException):
        raise _RefusedError(kind, "is no path on this worker; give it whole, or a URI") from None


def _below(path: str, roots: list[str]) -> bool:
    return any(path == root or path.startswith(root.rstrip(os.sep) + os.sep) for root in roots)


def _refuse_links(folder: str, kind: str, roots: list[str]) -> None:
    """Refuse a folder with a link to a file or folder that is not allowed, since a reader may follow the link."""
    for above, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(above, name)
            if os.path.islink(path) and not _below(os.path.realpath(path), roots):
                inner = redacted(os.path.relpath(path, folder))
                raise _RefusedError(kind, f"holds the link {inner!r}, which leads out of what is allowed; remove it")


def _modules(spec: Spec) -> Iterator[Place]:
    """Yield the modules of the user's own generators and validators."""
    named: list[tuple[Keys, str | None]] = [(("generator", "name"), spec.generator.name)]
    named += [(("validate", number), choice.name) for number, choice in enumerate(spec.validators or [])]
    for keys, name in named:
        if name and ":" in name:
            yield Place(Touched(keys, "modules", name), ())


def _places(spec: Spec) -> Iterator[Place]:
    """Yield everything else that the spec touches, by its fields and by the parameters of its steps."""
    yield from (Place(one, one.keys) for one in touched(spec))
    yield from touched_by_parameters(spec, strict=True)
