"""One writer: a build holds its output for as long as it runs, and one that lost it changes nothing there any more.

The lock is a record in the build's hidden folder: who holds it, and when that build last gave a sign of life. A second
build of the same output is refused; the lock of one that is dead, or gives no sign, is taken over. A build that was
only paused (halted, asleep, cut off) may wake then. So it looks whether it still holds the output before each step, and
changes what others see inside `Hold.committing` alone.

On a disk, also a shared one (NFS), a file lock, the guard, makes each look at the record one step with the change that
follows: nobody takes over in between. An object store has no such guard, and its conditional writes are not within the
reach of pyarrow (26 passes on the type of a file and its like, no `If-None-Match`): there the record is written, and
read again after a moment, when the last of two writers wins. A write that takes longer than that moment may let two
builds begin; the one whose record was overwritten stops at its next look. And a build that is paused within the one
request that it commits by, for longer than `SILENT`, may still be heard by the store after another took over.

What is made before (models, chunks) is written without a look, on machines that know no lock. That is harmless: its
folder is named by a hash of all that decides its content, so that a late file says what its successor's says.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated
from uuid import getnode, uuid4

import psutil
from filelock import FileLock, Timeout
from pyarrow import fs
from pydantic import Field, TypeAdapter

from pipelines.storage.folder import Folder, explained
from pipelines.storage.workspace import Workspace
from schemas.errors import OutputError

RECORD, GUARD = "writer.json", "writer.guard"
BEAT, SILENT, SETTLE = 10.0, 30.0, 1.0
"""Seconds between two signs of life; without one, until a build elsewhere is dead; until a written record is sure."""
SAME_START = 2.0
"""Seconds by which two readings of one process's start may differ, as the clock is set right meanwhile."""
BOOT = "/proc/sys/kernel/random/boot_id"
GONE = (
    "{}: the lock of this build is gone: another build took it over and ended, or somebody removed it; run the same"
    " command again, finished work is kept"
)
Seconds = Annotated[float, Field(ge=0, lt=2e11)]


_released: set[str] = set()
"""Tokens of this process's builds that have ended: their records may still be there, if the disk or store failed."""


@dataclass(frozen=True)
class Writer:
    """A build that holds an output. Times are seconds since 1970, by its own clock.

    `space` names the numbering that `pid` belongs to, since containers on one host have their own; `started` is when
    the process began, which tells it from a later one with its number; `seen` is its last sign of life. `boot` names
    the run of the machine's kernel, since two hosts may have one name; records of earlier versions lack it.
    """

    host: str
    space: str
    pid: Annotated[int, Field(ge=0, lt=2**31)]
    started: float
    since: Seconds
    seen: Seconds
    token: str
    boot: str = ""

    def refusal(self, output: str) -> OutputError:
        """Return the error that a second build ends with."""
        since = datetime.fromtimestamp(self.since, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        told = f"{output} is being written by another build (host {self.host!r}, process {self.pid}, since {since})"
        return OutputError(f"{told}; wait for it, or give another output.path")


_RECORDS = TypeAdapter(Writer)


class LostError(OutputError):
    """Another build holds the output by now, or did: this one was silent for too long."""


@dataclass(frozen=True)
class Lease:
    """What a task on another machine needs to know of the lock, to look before it writes where others read."""

    folder: Folder
    output: str
    token: str

    def check(self) -> None:
        """Raise LostError unless the record is there and this build's."""
        found = read_writer(self.folder)
        if found is None:
            raise LostError(GONE.format(self.output))
        if found.token != self.token:
            raise LostError(str(found.refusal(self.output)))


class Hold:
    """The lock, while it is held: gives signs of life, and knows whether it was lost to another build.

    What is lost stays lost, whoever holds the output later.
    """

    def __init__(self, folder: Folder, output: str, writer: Writer) -> None:
        self._folder, self._output, self._writer = folder, output, writer
        self._lost, self._signed = "", _clock()
        self._ended = threading.Event()
        self._beats = threading.Thread(target=self._beat, name="makeweight-lock", daemon=True)
        self._beats.start()

    @property
    def token(self) -> str:
        """What tells this holding of the output from every other one."""
        return self._writer.token

    @property
    def lease(self) -> Lease:
        """What tasks are given."""
        return Lease(self._folder, self._output, self.token)

    def check(self) -> None:
        """Raise LostError unless the record is there and this build's: it was silent for too long, or removed."""
        if self._lost:
            raise LostError(self._lost)
        try:
            self.lease.check()
        except LostError as error:
            self._lost = str(error)
            raise

    def lost(self) -> LostError | None:
        """Return how the output was lost, or nothing if it was not, or cannot be seen."""
        try:
            self.check()
        except LostError as error:
            return error
        except (OSError, OutputError):
            pass
        return None

    def stop_if_lost(self) -> None:
        """Check, if there is reason to: for signs of progress, which are many."""
        if self._lost or _clock() - self._signed > SILENT / 2:
            self.check()

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Let the block change what others see, and nobody take over meanwhile; raises LostError if that was lost.

        Keep the block short, since others wait for it. On an object store it begins with a sign of life instead, which
        gives it `SILENT` seconds, and ends with a look whether they did. Such blocks may lie within each other.
        """
        with _guarded(self._folder, self._output, self.token) as guarded:
            if guarded:
                self.check()
            else:
                self._sign()
            yield
            if not guarded:
                self.check()
            elif _clock() - self._signed > BEAT:
                with suppress(OSError):  # who watched meanwhile saw no sign
                    self._sign()

    def release(self) -> None:
        """Let the next build in; a lock that is not ours any more stays."""
        self._ended.set()
        self._beats.join()
        _released.add(self.token)
        with (
            suppress(OSError, OutputError),
            _guarded(self._folder, self._output, self.token),
        ):  # what stays there is taken over
            self.check()
            self._folder.remove(RECORD)

    def _beat(self) -> None:
        while not self._ended.wait(BEAT) and not self._lost:
            # a full disk, a network: the next one may come through
            with suppress(OSError, OutputError), _guarded(self._folder, self._output, self.token):
                self._sign()

    def _sign(self) -> None:
        """Give a sign of life, unless the lock is lost."""
        self.check()
        _write(self._folder, replace(self._writer, seen=time.time()))
        self._signed = _clock()


@contextmanager
def one_writer(place: Workspace) -> Iterator[Hold]:
    """Hold the output for as long as the block lasts.

    Raises OutputError, which names the other build, if one holds it, or took it over meanwhile. The lock of a build
    that died is taken over: on this host, if its process is gone; of another host, or from before this one started
    anew, if it gives no sign of life for `SILENT` seconds.
    """
    hold = _take(place.hidden, place.output.shown)
    try:
        yield hold
    except Exception as error:
        if lost := hold.lost():  # then that explains it: the other build may have removed what this one looked for
            raise lost from error
        raise
    finally:
        hold.release()


def _take(folder: Folder, output: str) -> Hold:
    mine = _myself()
    try:
        _enter(folder, output, mine)
        return Hold(folder, output, mine)
    except BaseException:
        _released.add(mine.token)  # its record may be there all the same
        raise


def _enter(folder: Folder, output: str, mine: Writer) -> None:
    """Write this build's record once nobody holds the output."""
    silent: Writer | None = None
    while True:
        with _guarded(folder, output) as guarded:
            holder = read_writer(folder)
            if holder is None or holder == silent or _ended(holder):
                _write(folder, mine)
                break
        silent = _watched(holder, folder, output)  # without the guard: its signs of life need that
    if not guarded:
        time.sleep(SETTLE)
        holder = read_writer(folder)
        if holder and holder.token != mine.token:
            raise holder.refusal(output)


@contextmanager
def _guarded(folder: Folder, output: str, token: str = "") -> Iterator[bool]:
    """Let one build at a time look at the record and change it; yields False where that cannot be had.

    Raises OutputError where another one does not let go of it, because it was halted.
    """
    if not isinstance(folder.filesystem, fs.LocalFileSystem):
        yield False
        return
    with explained(folder.shown):
        os.makedirs(folder.inner(), exist_ok=True)
        guard = FileLock(folder.inner(GUARD), is_singleton=True)  # one that this thread may take again
        try:
            taken = guard.acquire(timeout=SILENT)
        except Timeout:
            raise _stuck(folder, output, token) from None
        with taken:
            yield True


def _stuck(folder: Folder, output: str, token: str) -> OutputError:
    holder = read_writer(folder)
    if holder and holder.token != token:
        return holder.refusal(output)
    problem = f"{output}: another process holds {folder.inner(GUARD)}, and does not go on"
    return OutputError(f"{problem}; end it, and run the same command again")


def read_writer(folder: Folder) -> Writer | None:
    """Return who holds the lock in this folder, or nothing if it is free, or no record of ours."""
    try:
        return _RECORDS.validate_json(folder.read(RECORD))
    except (FileNotFoundError, ValueError):
        return None


def _write(folder: Folder, writer: Writer) -> None:
    folder.write(RECORD, _RECORDS.dump_json(writer))


def _ended(writer: Writer) -> bool:
    """Whether the holder is surely at its end."""
    return writer.token in _released or runs_here(writer) is False


def runs_here(writer: Writer) -> bool | None:
    """Whether the holder's process runs; None where that cannot be seen from here, or is not sure."""
    if (writer.host, writer.space, writer.boot) != _here():
        return None
    try:
        process = psutil.Process(writer.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return True if abs(process.create_time() - writer.started) <= SAME_START else None
    except psutil.NoSuchProcess:
        return False


def _watched(writer: Writer, folder: Folder, output: str) -> Writer:
    """Watch the record until it changes, at most for `SILENT` seconds: no two clocks need agree for that.

    Returns the holder if it ended or gave no sign of life; raises its refusal if it lives.
    """
    if runs_here(writer):
        raise writer.refusal(output)
    end = time.monotonic() + SILENT
    while time.monotonic() < end:
        time.sleep(BEAT / 10)
        now = read_writer(folder)
        if now is None:
            break
        if now != writer:
            raise now.refusal(output)
    return writer


def _clock() -> float:
    """Return seconds of a clock that nobody sets, and that goes on while the machine sleeps, where it has one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _here() -> tuple[str, str, str]:
    """Return this host's name, what its process numbers are counted in, and which run of its kernel this is."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    try:
        with open(BOOT, encoding="ascii") as file:
            boot = file.read().strip()
    except OSError:
        boot = f"{getnode():012x}"  # its network address is what there is
    return socket.gethostname(), space, boot


def _myself() -> Writer:
    host, space, boot = _here()
    pid, now = os.getpid(), time.time()
    return Writer(host, space, pid, psutil.Process(pid).create_time(), now, now, uuid4().hex, boot)
