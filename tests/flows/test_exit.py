"""How a command's process ends: at once, by its own exit code, whatever threads of libraries are still at."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.waiting import LIMIT

BUSY = """
import atexit, os, sys
from flows import cli

class Kept:
    def __del__(self):
        os.write(1, b'taken down ')  # as a thread of pyarrow's pool would be, in the middle of C++

def work():
    cli.kept = Kept()
    atexit.register(lambda: print('servers stopped'))
    print('said', end=' ')
    return {code}

cli._code = work
sys.argv = ['makeweight', '{command}']
cli.main()
"""


@pytest.mark.parametrize(("command", "code"), [("verify", 0), ("verify", 1), ("build", 0), ("build", 3)])
def test_it_ends_by_its_code_once_all_is_said_and_the_interpreter_is_not_taken_down(command, code):
    """Where it is taken down, threads of C++ are ended in the middle, which ends the process by 134 now and then."""
    script = BUSY.format(code=code, command=command)
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=LIMIT, cwd=ROOT)
    assert (answer.returncode, answer.stdout, answer.stderr) == (code, "said servers stopped\n", "")


def test_an_error_that_nobody_caught_is_told_and_ends_by_1():
    script = "from flows import cli\ncli._code = lambda: 1 / 0\ncli.main()"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=LIMIT, cwd=ROOT)
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"


def test_what_cannot_be_written_does_not_end_well():
    script = "from flows import cli\ncli._code = lambda: print('said') or 0\ncli.main()"
    with open("/dev/full", "w") as full:
        command, buffered = [sys.executable, "-c", script], {**os.environ, "PYTHONUNBUFFERED": ""}
        answer = subprocess.run(command, stdout=full, timeout=LIMIT, cwd=ROOT, env=buffered)
    assert answer.returncode == 120
