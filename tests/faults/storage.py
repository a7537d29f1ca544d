"""Storage with a fault: its n-th operation fails once, or is the last that the process does. As SQLite is tested."""

from contextlib import contextmanager

from pipelines.storage import folder
from pipelines.storage.filesystem import file_operations

CHANGES = {"create", "rename", "remove_file", "remove_folder", "prune_folder", "upload"}
"""Operations that change something: they may fail before they did it, or after."""


class Killed(BaseException):
    """The process is gone: no handler runs, and no operation of it takes place any more."""


class Faults:
    """Counts operations; strikes at the one numbered `nth`, `before` it takes place or `after`, and `looks` at each."""

    def __init__(self):
        self.names, self.nth, self.after, self.kills, self.look = [], 0, False, False, None
        self._dead = False

    def arm(self, nth, after=False, kills=False):
        """Count from one again, and strike at the operation of that number; at none if it is 0."""
        self.names, self.nth, self.after, self.kills, self._dead = [], nth, after, kills, False

    @contextmanager
    def operation(self, name, path):
        if self._dead:
            raise Killed
        self.names.append(name)
        due = len(self.names) == self.nth
        if due and not self.after:
            self._strike(name, path)
        yield
        if due and self.after:
            self._strike(name, path)
        if self.look and name in CHANGES:
            self.look()

    def _strike(self, name, path):
        if self.kills:
            self._dead = True
            raise Killed
        raise OSError(5, f"Input/output error of {name}", path)


class FaultyFiles:
    """Operations of a filesystem, each of which goes by `faults`; see pipelines/storage/filesystem.py."""

    def __init__(self, files, faults):
        self._files, self._faults = files, faults

    @property
    def renames(self):
        return self._files.renames

    @contextmanager
    def create(self, path):
        with self._faults.operation("create", path), self._files.create(path) as sink:
            yield sink

    def __getattr__(self, name):
        def operate(path, *args):
            with self._faults.operation(name, path):
                return getattr(self._files, name)(path, *args)

        return operate


def inject(monkeypatch):
    """Let all storage of this test go by the faults that are returned, which are none at first."""
    faults = Faults()
    monkeypatch.setattr(folder, "file_operations", lambda filesystem: FaultyFiles(file_operations(filesystem), faults))
    return faults
