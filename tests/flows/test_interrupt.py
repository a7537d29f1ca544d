"""Ctrl-C is not forgotten where a library lets it pass."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
import typer
from prefect.exceptions import TerminationSignal
from prefect.utilities.engine import capture_sigterm

from flows.commands.console import STOPPED, explained
from flows.interrupt import handle_stop_signals, is_stop_requested, stop_if_requested
from flows.progress import Listener, current_listener, listen
from flows.server import served_flow
from flows.stopping import StopWhenAsked
from pipelines.engine.actors import _keep_sigterm_handler
from schemas.errors import SourceError
from tests.waiting import LIMIT


class Steps(Listener):
    def __init__(self):
        self.heard = []

    def step(self, name):
        self.heard.append(name)


def test_an_interrupt_that_was_let_pass_stops_the_next_step():
    steps = Steps()
    with handle_stop_signals(), listen(StopWhenAsked(), steps):
        current_listener().step("plan")
        with suppress(KeyboardInterrupt):  # as a library does
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            current_listener().step("fill")
    assert steps.heard == ["plan"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_asyncio_does_not_take_its_place():
    async def interrupted():
        os.kill(os.getpid(), signal.SIGINT)
        with suppress(asyncio.CancelledError):  # what asyncio's own handler makes of it
            await asyncio.sleep(1)

    with handle_stop_signals(), listen(StopWhenAsked()):
        with suppress(KeyboardInterrupt):
            asyncio.run(interrupted())
        with pytest.raises(KeyboardInterrupt):
            current_listener().step("write")


def test_what_a_library_makes_of_the_signal_is_no_fault_of_the_users(capsys):
    with pytest.raises(typer.Exit) as ended, handle_stop_signals(), explained(as_json=False):
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        raise SourceError("data.csv: cannot be read: Operation cancelled")
    assert (ended.value.exit_code, capsys.readouterr().err) == (1, f"{STOPPED}\n")


def test_a_new_command_does_not_remember_the_interrupt_of_another():
    with handle_stop_signals(), suppress(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    stop_if_requested()


def test_ray_does_not_take_sigterm_away():
    """As `ray.init` does, whose own handler ends the process where it is."""
    before = signal.getsignal(signal.SIGTERM)
    with handle_stop_signals():
        with _keep_sigterm_handler():
            signal.signal(signal.SIGTERM, lambda *_: os._exit(134))
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_prefect_does_not_take_a_signal_away_while_a_flow_runs(number):
    """Its own handler of SIGTERM is in force there, and Ray makes a SystemError of what that raises."""
    went_on = []

    def work():
        with suppress(KeyboardInterrupt, TerminationSignal):  # as a library does
            os.kill(os.getpid(), number)
        went_on.append(is_stop_requested())
        stop_if_requested()

    with handle_stop_signals():
        ours = signal.getsignal(number)
        with capture_sigterm(), pytest.raises(KeyboardInterrupt):
            served_flow("test")(work).fn()
        assert signal.getsignal(number) is ours
    assert went_on == [True]


def test_a_flow_on_a_worker_leaves_sigterm_to_prefect_which_cancels_by_it():
    with capture_sigterm(), pytest.raises(TerminationSignal):
        served_flow("test")(lambda: os.kill(os.getpid(), signal.SIGTERM)).fn()


@pytest.mark.parametrize(("seconds", "sent"), [(0.15, signal.SIGINT), (0.3, signal.SIGTERM), (0.5, signal.SIGINT)])
def test_an_early_interrupt_ends_with_one_line_and_no_traceback(tmp_path, seconds, sent):
    """However early it comes, once Python itself is up."""
    (tmp_path / "data.csv").write_text("a,y\n" + "".join(f"{n},{'no' if n % 9 else 'yes'}\n" for n in range(200)))
    (tmp_path / "spec.yaml").write_text(
        "{name: t, source: {path: data.csv, label: y}, generator: {name: resample}, output: {path: out}}"
    )
    code = "from flows.cli import main; print(flush=True); main()"
    command = [sys.executable, "-c", code, "build", str(tmp_path / "spec.yaml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(sent)
        _, told = process.communicate(timeout=LIMIT)
    assert process.returncode in (1, -signal.SIGINT), "Python ends so where C code was being imported"
    assert told.splitlines()[-1] == STOPPED
    assert told.count("Traceback") == told.count("Exception ignored in"), "Python tells of those that no code can see"
    assert not (tmp_path / "out" / "manifest.json").exists()
