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

cli._run_command = work
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
    script = "from flows import cli\ncli._run_command = lambda: 1 / 0\ncli.main()"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=LIMIT, cwd=ROOT)
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"


def test_what_cannot_be_written_does_not_end_well():
    script = "from flows import cli\ncli._run_command = lambda: print('said') or 0\ncli.main()"
    with open("/dev/full", "w") as full:
        command, buffered = [sys.executable, "-c", script], {**os.environ, "PYTHONUNBUFFERED": ""}
        answer = subprocess.run(command, stdout=full, timeout=LIMIT, cwd=ROOT, env=buffered)
    assert answer.returncode == 120


@pytest.mark.parametrize("words", [["plan"], ["plan", "--json"], ["build"], ["ls"], ["ls", "--json"], ["verify"]])
def test_what_cannot_be_written_is_told_in_one_line(tmp_path, words):
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{n % 7}.5,{'no' if n % 9 else 'yes'}\n" for n in range(200)))
    (tmp_path / "spec.yaml").write_text(
        "{name: t, source: {path: t.csv, label: y}, generator: {name: resample}, output: {path: out}}"
    )
    place = tmp_path / ("spec.yaml" if words[0] in ("plan", "build") else "")
    command = [sys.executable, "-m", "flows.cli", *words, str(place)]
    at_once = {**os.environ, "PYTHONUNBUFFERED": "1"}  # else what is short is written when all is done
    with open("/dev/full", "w") as full:
        answer = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=LIMIT, cwd=ROOT, env=at_once
        )
    told = "makeweight: what it says cannot be written: No space left on device; make room\n"
    if words == ["verify"]:  # it has nothing to say but an error, and that goes elsewhere
        assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)
    else:
        assert (answer.returncode, answer.stderr) == (120, told)
    assert not (tmp_path / "out").exists()


SEEN = """
import os, sys
from flows import cli

def work():
    there = [os.path.realpath(f"/proc/self/fd/{{number}}") for number in range(3)]
    with open(sys.argv[-1], "w") as file:
        print(there.count("/dev/null"), [os.get_inheritable(number) for number in range(3)], file=file)
    print("heard by nobody")
    print("nor that", file=sys.stderr)
    return 0

cli._run_command = work
sys.argv = ["makeweight", {command!r}, {place!r}]
cli.main()
"""


@pytest.mark.parametrize("command", ["verify", "build"])
@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_streams_that_are_closed_are_taken_by_nothing_else(tmp_path, command, closed):
    """Else the pipe between a build and who started it, or a server's socket, gets what is printed."""
    script, place = tmp_path / "script.py", tmp_path / "seen"
    script.write_text(SEEN.format(command=command, place=str(place)))
    shell = f'exec "$@" {" ".join(f"{number}>&-" for number in closed)}'
    with open(tmp_path / "heard", "w") as file:
        answer = subprocess.run(
            ["sh", "-c", shell, "sh", sys.executable, str(script)],
            stdin=file, stdout=file, stderr=file, timeout=LIMIT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    assert answer.returncode == 0, (tmp_path / "heard").read_text()
    assert place.read_text() == f"{len(closed)} [True, True, True]\n"
