"""The lock of an output: one build at a time writes there, and a build that lost the lock changes nothing any more.

The lock is a record in the build's hidden folder: who holds the output, and when that build last gave a sign of life. A
second build of the same output is refused. The lock of a build that is dead, or gives no sign of life, is taken over. A
build that was only paused (halted, asleep, cut off) may wake after that. So each build checks its lock before each
step, and changes what others see only inside `Hold.committing`.

On a disk, also on a shared one (NFS), a file lock, called the guard, joins each check of the record with the change
that follows: nobody can take over in between. An object store has no guard, and pyarrow (26) offers none of its
conditional writes (`If-None-Match`). There the record is written, and read again after `SETTLE` seconds; the last of
two writers wins. If a write takes longer than that, two builds may begin; the one whose record was overwritten stops at
its next check. A build that is paused for longer than `SILENT` within the one request by which it commits may still be
obeyed by the store after another build took over.

Models and chunks are written without a check, on machines that do not know the lock. That is harmless: their folder is
named by a hash of all that decides their content, so a late file equals the one that its successor writes.
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

from pipelines.storage.folder import Folder, explain_errors
from pipelines.storage.workspace import Workspace
from schemas.errors import OutputError

RECORD, GUARD = "writer.json", "writer.guard"
BEAT, SILENT, SETTLE = 10.0, 30.0, 1.0
"""Seconds between two signs of life; without a sign until a build counts as dead; until a written record is sure."""
SAME_START = 2.0
"""Seconds by which two readings of one process's start may differ, since the clock may be corrected in between."""
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

    `space` is the process namespace that `pid` belongs to, since each container has its own. `started` is when the
    process began, which tells it from a later one with the same number. `seen` is its last sign of life. `boot` is the
    boot id of the kernel, since two hosts may have one name; records of earlier versions lack it.
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
        problem = f"{output} is being written by another build (host {self.host!r}, process {self.pid}, since {since})"
        return OutputError(f"{problem}; wait for it, or give another output.path")


_RECORDS = TypeAdapter(Writer)


class LostError(OutputError):
    """Another build took over the output, since this one gave no sign of life for too long."""


@dataclass(frozen=True)
class Lease:
    """What a task on another machine needs to check the lock, before it writes where others read."""

    folder: Folder
    output: str
    token: str

    def check(self) -> None:
        """Raise LostError unless the lock's record is this build's."""
        found = read_writer(self.folder)
        if found is None:
            raise LostError(GONE.format(self.output))
        if found.token != self.token:
            raise LostError(str(found.refusal(self.output)))


class Hold:
    """A lock that this build holds: gives signs of life, and knows whether another build took it over.

    A lost lock stays lost, whoever holds the output later.
    """

    def __init__(self, folder: Folder, output: str, writer: Writer) -> None:
        self._folder, self._output, self._writer = folder, output, writer
        self._lost, self._signed = "", _read_clock()
        self._ended = threading.Event()
        self._beats = threading.Thread(target=self._beat, name="makeweight-lock", daemon=True)
        self._beats.start()

    @property
    def token(self) -> str:
        """A random text that tells this hold from every other one."""
        return self._writer.token

    @property
    def lease(self) -> Lease:
        """The lease of this hold, for tasks on other machines."""
        return Lease(self._folder, self._output, self.token)

    def check(self) -> None:
        """Raise LostError unless the lock's record is this build's: another one took over, or somebody removed it."""
        if self._lost:
            raise LostError(self._lost)
        try:
            self.lease.check()
        except LostError as error:
            self._lost = str(error)
            raise

    def lost(self) -> LostError | None:
        """Return the error that says how the lock was lost, or None if it was not, or if that cannot be seen."""
        try:
            self.check()
        except LostError as error:
            return error
        except (OSError, OutputError):
            pass
        return None

    def stop_if_lost(self) -> None:
        """Check the lock if the last sign of life is old; cheap enough for each sign of progress."""
        if self._lost or _read_clock() - self._signed > SILENT / 2:
            self.check()

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Let the block change what others see, while nobody can take over; raises LostError if the lock is lost.

        Keep the block short, since others wait for it. On an object store the block begins with a sign of life, which
        gives it `SILENT` seconds, and ends with a check whether that was enough. Such blocks may be nested.

        Example: `with hold.committing(): publish_dataset(...)`.
        """
        with _hold_guard(self._folder, self._output, self.token) as guarded:
            if guarded:
                self.check()
            else:
                self._sign()
            yield
            if not guarded:
                self.check()
            elif _read_clock() - self._signed > BEAT:
                with suppress(OSError):  # a build that waits for the lock has seen no sign of life for this long
                    self._sign()

    def release(self) -> None:
        """Give the lock back; a lock that is not ours any more stays as it is."""
        self._ended.set()
        self._beats.join()
        _released.add(self.token)
        with (
            suppress(OSError, OutputError),
            _hold_guard(self._folder, self._output, self.token),
        ):  # what stays there is taken over
            self.check()
            self._folder.remove(RECORD)

    def _beat(self) -> None:
        while not self._ended.wait(BEAT) and not self._lost:
            # a full disk, a network: the next one may come through
            with suppress(OSError, OutputError), _hold_guard(self._folder, self._output, self.token):
                self._sign()

    def _sign(self) -> None:
        """Write a sign of life; raises LostError if the lock is lost."""
        self.check()
        _write_record(self._folder, replace(self._writer, seen=time.time()))
        self._signed = _read_clock()


@contextmanager
def lock_output(workspace: Workspace) -> Iterator[Hold]:
    """Lock the output for as long as the block lasts.

    Raises OutputError, which names the other build, if one holds the output or took it over meanwhile. The lock of a
    dead build is taken over: of this host, if its process is gone; of another host, or from before this host's last
    boot, if it gives no sign of life for `SILENT` seconds.
    """
    hold = _acquire(workspace.hidden, workspace.output.shown)
    try:
        yield hold
    except Exception as error:
        if lost := hold.lost():  # then that explains it: the other build may have removed what this one looked for
            raise lost from error
        raise
    finally:
        hold.release()


def _acquire(folder: Folder, output: str) -> Hold:
    mine = _describe_self()
    try:
        _write_own_record(folder, output, mine)
        return Hold(folder, output, mine)
    except BaseException:
        _released.add(mine.token)  # its record may be there all the same
        raise


def _write_own_record(folder: Folder, output: str, mine: Writer) -> None:
    """Wait until nobody holds the output, and write this build's record."""
    silent: Writer | None = None
    while True:
        with _hold_guard(folder, output) as guarded:
            holder = read_writer(folder)
            if holder is None or holder == silent or _has_ended(holder):
                _write_record(folder, mine)
                break
        silent = _watch_holder(holder, folder, output)  # without the guard: its signs of life need that
    if not guarded:
        time.sleep(SETTLE)
        holder = read_writer(folder)
        if holder and holder.token != mine.token:
            raise holder.refusal(output)


@contextmanager
def _hold_guard(folder: Folder, output: str, token: str = "") -> Iterator[bool]:
    """Let one build at a time read and change the record; yields False on an object store, which has no guard.

    Raises OutputError if another process keeps the guard, as one that was halted does.
    """
    if not isinstance(folder.filesystem, fs.LocalFileSystem):
        yield False
        return
    with explain_errors(folder.shown):
        os.makedirs(folder.inner(), exist_ok=True)
        guard = FileLock(folder.inner(GUARD), is_singleton=True)  # one that this thread may take again
        try:
            taken = guard.acquire(timeout=SILENT)
        except Timeout:
            raise _stuck_error(folder, output, token) from None
        with taken:
            yield True


def _stuck_error(folder: Folder, output: str, token: str) -> OutputError:
    holder = read_writer(folder)
    if holder and holder.token != token:
        return holder.refusal(output)
    problem = f"{output}: another process holds {folder.inner(GUARD)}, and does not go on"
    return OutputError(f"{problem}; end it, and run the same command again")


def read_writer(folder: Folder) -> Writer | None:
    """Return the holder of the lock in this folder, or None if it is free or its record is not ours."""
    try:
        return _RECORDS.validate_json(folder.read(RECORD))
    except (FileNotFoundError, ValueError):
        return None


def _write_record(folder: Folder, writer: Writer) -> None:
    folder.write(RECORD, _RECORDS.dump_json(writer))


def _has_ended(writer: Writer) -> bool:
    """Whether the holder has surely ended."""
    return writer.token in _released or is_running_here(writer) is False


def is_running_here(writer: Writer) -> bool | None:
    """Whether the holder's process runs; None if it is on another host, or if that is not sure."""
    if (writer.host, writer.space, writer.boot) != _identify_host():
        return None
    try:
        process = psutil.Process(writer.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return True if abs(process.create_time() - writer.started) <= SAME_START else None
    except psutil.NoSuchProcess:
        return False


def _watch_holder(writer: Writer, folder: Folder, output: str) -> Writer:
    """Watch the record for `SILENT` seconds, by this machine's clock alone.

    Returns the holder if it ended or gave no sign of life; raises OutputError if it is alive.
    """
    if is_running_here(writer):
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


def _read_clock() -> float:
    """Return the seconds of a clock that is never set, and that goes on while the machine sleeps if there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _identify_host() -> tuple[str, str, str]:
    """Return this host's name, the namespace of its process numbers, and the boot id of its kernel."""
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


def _describe_self() -> Writer:
    host, space, boot = _identify_host()
    pid, now = os.getpid(), time.time()
    return Writer(host, space, pid, psutil.Process(pid).create_time(), now, now, uuid4().hex, boot)
