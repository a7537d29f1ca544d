"""Halts a process at a named commit: every Python process of a build that finds this folder on its path runs it.

Builds commit by `os.replace`. The process that is about to put a file where `FAULT_POINT`, a regular expression,
matches, or has just done so, says that it got there and goes no further; the harness then kills the whole build. So the
product itself holds no hook. `FAULT_WHEN` is `before` or `after`, `FAULT_NTH` which match of a process it is. Where
`FAULT_HOW` is `pause`, it goes on when it gets SIGCONT.
"""

import os
import re
import signal
import time
from pathlib import Path

WHEN, POINT = os.environ.get("FAULT_WHEN", ""), os.environ.get("FAULT_POINT", "")


def install() -> None:
    real = os.replace
    left = int(os.environ["FAULT_NTH"])

    def replace(source, target, **places):
        nonlocal left
        left -= bool(re.search(POINT, os.fspath(target)))
        here = left == 0 and re.search(POINT, os.fspath(target))
        if here and WHEN == "before":
            halt()
        real(source, target, **places)
        if here and WHEN == "after":
            halt()

    os.replace = replace


def halt() -> None:
    Path(os.environ["FAULT_REACHED"]).touch()
    if os.environ.get("FAULT_HOW") == "pause":
        os.kill(os.getpid(), signal.SIGSTOP)
        return
    time.sleep(3600)


if POINT:
    install()
