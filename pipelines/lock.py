"""One writer: a build holds its output for as long as it runs, and a second build of the same output is refused.

The lock is a record in the build's hidden folder: who holds it, and when that build last gave a sign of life. On a
disk, also a shared one (NFS), a file lock guards each look at the record together with the change that follows. An
object store has no such guard, and its conditional writes are not within pyarrow's reach: there the record is written,
and read again after a moment, when the last of two writers wins. A write that takes longer than that moment may let two
builds begin; the one whose record was overwritten notices at its next step, or before it publishes, and stops.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

import psutil
from filelock import FileLock
from pyarrow import fs

from pipelines.storage import Folder, explained
from pipelines.workspace import Workspace
from schemas.errors import OutputError

RECORD, GUARD = "writer.json", "writer.guard"
BEAT, SILENT, SETTLE = 10.0, 30.0, 1.0
"""Seconds between two signs of life; without one, until a build elsewhere is dead; until a written record is sure."""
SAME_START = 2.0
"""Seconds by which two readings of one process's start may differ, as the clock is set right meanwhile."""


_released: set[str] = set()
"""Tokens of this process's builds that have ended: their records may still be there, if the disk or store failed."""


@dataclass(frozen=True)
class Writer:
    """A build that holds an output. Times are seconds since 1970, by its own clock.

    `space` names the numbering that `pid` belongs to, since containers on one host have their own; `started` is when
    the process began, which tells it from a later one with its number; `seen` is its last sign of life.
    """

    host: str
    space: str
    pid: int
    started: float
    since: float
    seen: float
    token: str

    def refusal(self, output: str) -> OutputError:
        """Return the error that a second build ends with."""
        since = datetime.fromtimestamp(self.since, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        told = f"{output} is being written by another build (host {self.host!r}, process {self.pid}, since {since})"
        return OutputError(f"{told}; wait for it, or give another output.path")


class Hold:
    """The lock, while it is held: gives signs of life, and knows whether it was lost to another build."""

    def __init__(self, folder: Folder, output: str, writer: Writer) -> None:
        self._folder, self._output, self._writer = folder, output, writer
        self._ended = threading.Event()
        self._beats = threading.Thread(target=self._beat, name="makeweight-lock", daemon=True)
        self._beats.start()

    def check(self) -> None:
        """Raise OutputError if another build holds the output by now: this one was silent for too long."""
        found = read_writer(self._folder)
        if found and found.token != self._writer.token:
            raise found.refusal(self._output)

    def release(self) -> None:
        """Let the next build in; a lock that is not ours any more stays."""
        self._ended.set()
        self._beats.join()
        _released.add(self._writer.token)
        with suppress(OSError, OutputError):  # what cannot be removed is taken over
            self.check()
            self._folder.remove(RECORD)

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            with suppress(OSError, OutputError):  # a full disk, a network: the next one may come through
                self.check()
                _write(self._folder, replace(self._writer, seen=time.time()))


@contextmanager
def one_writer(place: Workspace) -> Iterator[Hold]:
    """Hold the output for as long as the block lasts.

    Raises OutputError, which names the other build, if one holds it. The lock of a build that died is taken over: on
    this host, if its process is gone; of another host, if it gives no sign of life for `SILENT` seconds.
    """
    hold = _take(place.hidden, place.output.shown)
    try:
        yield hold
    finally:
        hold.release()


def _take(folder: Folder, output: str) -> Hold:
    mine = _myself()
    with _guarded(folder) as guarded:
        holder = read_writer(folder)
        if holder and holder.token not in _released and _lives(holder, folder):
            raise holder.refusal(output)
        _write(folder, mine)
    if not guarded:
        time.sleep(SETTLE)
        holder = read_writer(folder)
        if holder and holder.token != mine.token:
            raise holder.refusal(output)
    return Hold(folder, output, mine)


@contextmanager
def _guarded(folder: Folder) -> Iterator[bool]:
    """Let one process at a time look at the record and change it; yields False where that cannot be had."""
    if not isinstance(folder.filesystem, fs.LocalFileSystem):
        yield False
        return
    with explained(folder.shown):
        os.makedirs(folder.inner(), exist_ok=True)
        with FileLock(folder.inner(GUARD)):
            yield True


def read_writer(folder: Folder) -> Writer | None:
    """Return who holds the lock in this folder, or nothing if it is free, or no record of ours."""
    try:
        return Writer(**json.loads(folder.read(RECORD)))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _write(folder: Folder, writer: Writer) -> None:
    folder.write(RECORD, json.dumps(asdict(writer)).encode())


def _lives(writer: Writer, folder: Folder) -> bool:
    """Whether the holder still runs: by its process where that can be seen, else by whether it gives a sign."""
    runs = runs_here(writer)
    return _gives_sign(writer, folder) if runs is None else runs


def runs_here(writer: Writer) -> bool | None:
    """Whether the holder's process runs; None where that cannot be seen from here, or is not sure."""
    if (writer.host, writer.space) != _here():
        return None
    try:
        process = psutil.Process(writer.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return True if abs(process.create_time() - writer.started) <= SAME_START else None
    except psutil.NoSuchProcess:
        return False


def _gives_sign(writer: Writer, folder: Folder) -> bool:
    """Watch the record until it changes, at most for `SILENT` seconds: no two clocks need agree for that."""
    end = time.monotonic() + SILENT
    while time.monotonic() < end:
        time.sleep(BEAT / 10)
        now = read_writer(folder)
        if now != writer:
            return now is not None
    return False


def _here() -> tuple[str, str]:
    """Return this host's name, and what its process numbers are counted in."""
    try:
        return socket.gethostname(), os.readlink("/proc/self/ns/pid")
    except OSError:
        return socket.gethostname(), ""


def _myself() -> Writer:
    host, space = _here()
    pid, now = os.getpid(), time.time()
    return Writer(host, space, pid, psutil.Process(pid).create_time(), now, now, uuid4().hex)
