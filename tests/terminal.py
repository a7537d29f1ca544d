"""A terminal of its own for a command, as a user has one: what is typed goes to the whole foreground group."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from contextlib import suppress

import psutil

LIMIT = 600.0
"""Seconds that anything may take here, on however busy a machine."""
CTRL_C = b"\x03"
TAKE_IT = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may do so by nohup
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Makes the terminal on standard input the one of a new session, and becomes the command."""


class Terminal:
    """A command at a terminal; `text` is all that was shown so far."""

    def __init__(self, command, **options):
        self._master, slave = pty.openpty()
        self._attributes = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_IT, *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            **options,
        )
        os.close(slave)
        self._shown = bytearray()

    @property
    def text(self):
        return self._shown.decode(errors="replace").replace("\r\n", "\n")

    def type(self, keys):
        os.write(self._master, keys)

    def close(self):
        """Close the window."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def wait_until(self, true):
        """Read what is shown until `true()`; the command may have ended meanwhile."""
        end = time.monotonic() + LIMIT
        while not true():
            assert time.monotonic() < end, f"waited for too long; shown was:\n{self.text}"
            self._read(0.05)

    def end(self):
        """Wait for the command's end, and return its exit code."""
        self.wait_until(lambda: self.process.poll() is not None)
        while self._read(0):
            pass
        return self.process.returncode

    def tree(self):
        """Return the command's process and all that it started."""
        with suppress(psutil.NoSuchProcess):
            top = psutil.Process(self.process.pid)
            return [top, *top.children(recursive=True)]
        return []

    def as_it_was(self):
        """Whether the terminal shows its cursor, and echoes what is typed, as before."""
        hidden, shown = self.text.rfind("\x1b[?25l"), self.text.rfind("\x1b[?25h")
        return hidden <= shown and termios.tcgetattr(self._master) == self._attributes

    def _read(self, seconds):
        if self._master < 0:
            time.sleep(seconds)
            return False
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        try:
            more = os.read(self._master, 1 << 16)
        except OSError:  # nobody holds the other end
            time.sleep(seconds)
            return False
        self._shown += more
        return bool(more)


def ended(processes):
    """Wait until all have ended; return those that have not."""
    _, alive = psutil.wait_procs(processes, timeout=LIMIT)
    return [one for one in alive if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
