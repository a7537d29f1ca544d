"""How tests wait: for an event, or for the end of a process, never for a time. A slow machine fails none of them."""

import subprocess
import time

LIMIT = 600
"""Seconds after which a test gives up waiting, and says what it saw; nothing that is tested takes a tenth of it."""
LOOK = 0.05


def wait_until(true, process=None, saw=lambda: ""):
    """Wait until `true()` answers with something that is true, and return that; `saw` says what is there instead.

    A process that ends before it is so ends the wait.
    """
    begun = time.monotonic()
    while True:
        ended = process is not None and process.poll() is not None
        if found := true():
            return found
        assert not ended, f"it ended with {process.returncode} before that: {saw() or printed(process)}"
        assert time.monotonic() - begun < LIMIT, f"nothing of it within {LIMIT} s; seen: {saw()}"
        time.sleep(LOOK)


def printed(process):
    """Return what a process that ended has printed, as far as its pipes tell."""
    return "".join(pipe.read() for pipe in (process.stdout, process.stderr) if pipe is not None and pipe.readable())


def ran(command, **options):
    """Run a command to its end, and return what it printed and its exit code."""
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, **options)
