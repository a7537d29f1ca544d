"""A command in a session of its own: only it hears what the terminal sends, and nothing of its session is left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT
from tests.terminal import CTRL_C, LIMIT, Terminal, ended

WORK = '''
import os, signal, subprocess, sys, time
from pathlib import Path
from flows import child_process
from flows.interrupt import is_stop_requested

HELPER = """
import os, signal, sys, time
def heard(number, frame):
    open(sys.argv[1] + "-heard", "w").close()
    print("noise of a server", file=sys.stderr, flush=True)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, heard)
os.replace(sys.argv[1] + "-new", sys.argv[1])
while True:
    time.sleep(3600)
"""
mark, how = sys.argv[1:3]

def work():
    open(mark + "-new", "w").write(str(os.getpid()))
    subprocess.Popen([sys.executable, "-c", HELPER, mark], process_group=0 if how == "group" else None)
    while not os.path.exists(mark):
        time.sleep(0.01)
    if how.isdigit():
        return int(how)
    while True:
        try:
            print("\\033[?25lready", flush=True)
            time.sleep(3600)
        except KeyboardInterrupt:
            if how != "deaf":
                print("library noise", file=sys.stderr)
                raise
            open(mark + "-asked", "w").close()

child_process.STOP_SECONDS = float(sys.argv[3])
child_process.run_apart(work, "stopped")
'''
PATIENT, AT_ONCE = "3600", "0.1"


class Command:
    """The work of above, and the processes of its session."""

    def __init__(self, place, how, patience=PATIENT, **options):
        self.mark = place / "mark"
        self._script = [sys.executable, "-c", WORK, str(self.mark), how, patience]
        self._options = {"env": os.environ | {"PYTHONPATH": str(ROOT)}, **options}

    def at_a_terminal(self):
        shown = Terminal(self._script, **self._options)
        shown.wait_until(lambda: "ready" in shown.text or shown.process.poll() is not None)
        assert len(shown.tree()) == 3, shown.text
        return shown

    def alone(self):
        process = subprocess.Popen(
            self._script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **self._options
        )
        assert "ready" in process.stdout.readline()
        return process

    def heard(self):
        return Path(f"{self.mark}-heard").exists()


def tree_of(process):
    return [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]


@pytest.mark.parametrize("group", ["same", "group"])
def test_ctrl_c_reaches_the_work_and_none_of_its_servers(tmp_path, group):
    command = Command(tmp_path, group)
    terminal = command.at_a_terminal()
    tree = terminal.tree()
    before = len(terminal.text)
    terminal.type(CTRL_C)
    assert terminal.end() == 1
    assert terminal.text[before:].replace("^C", "").replace("\x1b[2K\x1b[?25h", "").strip() == "stopped"
    assert not command.heard()
    assert ended(tree) == []
    assert terminal.as_it_was()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_group_is_taken_as_one(tmp_path, number):
    command = Command(tmp_path, "same")
    terminal = command.at_a_terminal()
    tree = terminal.tree()
    os.killpg(terminal.process.pid, number)
    os.killpg(terminal.process.pid, number)  # as where a parent process hands it on as well
    assert terminal.end() == 1
    assert terminal.text.splitlines()[-1].endswith("stopped")
    assert "noise" not in terminal.text
    assert not command.heard()
    assert ended(tree) == []


def test_a_window_that_closes_ends_it(tmp_path):
    command = Command(tmp_path, "same")
    terminal = command.at_a_terminal()
    tree = terminal.tree()
    terminal.close()
    assert terminal.end() == 1
    assert ended(tree) == []


def test_nohup_lets_it_go_on(tmp_path):
    """As `nohup` starts it: a terminal that closes is ignored."""
    script = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    command = Command(tmp_path, "same")
    command._script = [sys.executable, "-c", script, *command._script]
    process = command.alone()
    tree = tree_of(process)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(timeout=LIMIT)
    assert (process.returncode, told.splitlines()[-1]) == (1, "stopped"), "it ended by the second"
    assert ended(tree) == []


def test_work_that_does_not_hear_is_killed_after_a_while(tmp_path):
    command = Command(tmp_path, "deaf", AT_ONCE)
    terminal = command.at_a_terminal()
    tree = terminal.tree()
    terminal.type(CTRL_C)
    assert terminal.end() == 1
    assert "stopped" in terminal.text
    assert ended(tree) == []
    assert terminal.as_it_was()


def test_a_second_ctrl_c_ends_it_at_once(tmp_path):
    command = Command(tmp_path, "deaf")
    terminal = command.at_a_terminal()
    tree = terminal.tree()
    terminal.type(CTRL_C)
    terminal.wait_until(Path(f"{command.mark}-asked").exists)
    time.sleep(0.6)  # no synchronisation: what comes sooner is taken for the same one
    terminal.type(CTRL_C)
    assert terminal.end() == 1
    assert "stopped" in terminal.text
    assert ended(tree) == []
    assert terminal.as_it_was()


def test_what_is_killed_leaves_no_server_behind(tmp_path):
    process = Command(tmp_path, "same").alone()
    tree = tree_of(process)
    tree[1].kill()
    told, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 1
    assert "ended by SIGKILL, most often because memory ran out; run the same command again" in told
    assert ended(tree) == []


def test_neither_does_what_is_killed_with_no_word_to_the_work(tmp_path):
    process = Command(tmp_path, "same").alone()
    tree = tree_of(process)
    process.kill()
    process.wait()
    assert ended(tree) == []


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_it_ends_as_the_work_ends_and_takes_what_is_left_with_it(tmp_path, code):
    command = Command(tmp_path, str(code))
    answer = subprocess.run(command._script, capture_output=True, text=True, timeout=LIMIT, **command._options)
    assert (answer.returncode, answer.stderr) == (code, "")
    left = [one for one in psutil.process_iter(["cmdline"]) if str(command.mark) in (one.info["cmdline"] or [])]
    assert not left


def test_ctrl_z_halts_all_of_it_and_fg_wakes_it(tmp_path):
    process = Command(tmp_path, "same", process_group=0).alone()
    tree = tree_of(process)
    process.send_signal(signal.SIGTSTP)
    wait_for(lambda: {one.status() for one in tree} == {psutil.STATUS_STOPPED})
    process.send_signal(signal.SIGCONT)
    wait_for(lambda: psutil.STATUS_STOPPED not in {one.status() for one in tree})
    process.send_signal(signal.SIGINT)
    assert process.wait(LIMIT) == 1
    assert ended(tree) == []


def wait_for(true):
    end = time.monotonic() + LIMIT
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
