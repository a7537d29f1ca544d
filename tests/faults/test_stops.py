"""Builds that are stopped as people stop them: Ctrl-C at a terminal, a signal to the group, a window that closes.

At every step the command ends with one sentence and leaves no process; run again, it ends with the bytes of a calm
build. How long it took to stop is printed, never judged.
"""

import os
import re
import signal
import time

import psutil
import pytest

from flows.interrupt import STOPPED
from tests.faults.harness import POINTS, command
from tests.terminal import CTRL_C, ended

STARTED = {
    "started": "flows.cli",
    "the server starts": "uvicorn",
    "ray starts": "gcs_server",
    "actors start": "ray::GeneratorActor",
}
"""Moments before the first commit, and between: a process that is there from then on."""
QUICK = ["the server starts", "chunk staged"]
BEFORE_ACTORS = ["source copied", "model saved", "model recorded"]
IN_ORDER = [*list(STARTED)[:3], *BEFORE_ACTORS, "actors start", *(one for one in POINTS if one not in BEFORE_ACTORS)]
"""All moments of a build's life, as they come: what is done does not come again."""


def wait_for(terminal, reached, moment):
    """Wait until the build is at a moment of its life."""

    def there():
        shown = STARTED.get(moment)
        return reached.exists() or (shown and any(shown in " ".join(command(one)) for one in terminal.tree()[1:]))

    terminal.wait_until(lambda: there() or terminal.process.poll() is not None)
    assert there(), terminal.text


def stopped(bench, moment, stop, **options):
    """Stop a build at a moment by `stop(terminal)`; check how it ends, and say how long that took."""
    assert moment in {*STARTED, *POINTS, options.get("FAULT_POINT")}
    terminal, reached = bench.at_a_terminal(point=moment if moment in POINTS else "", **options)
    wait_for(terminal, reached, moment)
    tree, before = terminal.tree(), len(terminal.text)
    asked = time.monotonic()
    stop(terminal)
    assert terminal.end() == 1, terminal.text
    print(f"{moment}: stopped after {time.monotonic() - asked:.1f} s", flush=True)
    assert not [one for one in tree if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    return terminal, terminal.text[before:]


def ctrl_c(terminal):
    terminal.type(CTRL_C)


def check_one_sentence(terminal, told):
    """Check that the terminal shows one sentence, no error of a library, and is as it was."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told).replace("\r", "\n")
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    assert lines[-1] == STOPPED
    assert plain.count("makeweight: ") == 1
    for noise in ("Traceback", "Error", "error", "prefect", "uvicorn", "ray."):
        assert noise not in plain
    assert terminal.as_it_was()


def test_ctrl_c_at_a_terminal_ends_a_build_with_one_sentence(make_bench, calm, prefect_api):
    bench = make_bench()
    for moment in QUICK:
        check_one_sentence(*stopped(bench, moment, ctrl_c))
        assert not (bench.place / "out" / "manifest.json").exists()
    assert bench.finish(PREFECT_API_URL=prefect_api) == calm("tables")


@pytest.mark.slow
def test_ctrl_c_at_one_moment_after_another(make_bench, calm, prefect_api):
    bench = make_bench()
    for moment in IN_ORDER:
        check_one_sentence(*stopped(bench, moment, ctrl_c))
    assert bench.finish(PREFECT_API_URL=prefect_api) == calm("tables")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_group(make_bench, calm, prefect_api, number):
    bench = make_bench()
    for moment in ("ray starts", "source copied", "chunk staged", "shard moved"):
        check_one_sentence(*stopped(bench, moment, lambda one: os.killpg(one.process.pid, number)))
    assert bench.finish(PREFECT_API_URL=prefect_api) == calm("tables")


@pytest.mark.slow
def test_a_signal_to_every_process_as_a_service_manager_sends_it(make_bench, calm, prefect_api):
    """Prefect's server and Ray die with the build then; none of them is waited for."""

    def stop(terminal):
        for one in reversed(terminal.tree()):
            one.send_signal(signal.SIGTERM)

    bench = make_bench()
    terminal, told = stopped(bench, "chunk staged", stop)
    check_one_sentence(terminal, told)
    assert bench.finish(PREFECT_API_URL=prefect_api) == calm("tables")


@pytest.mark.slow
def test_a_window_that_closes(make_bench, calm, prefect_api):
    bench = make_bench()
    stopped(bench, "chunk staged", lambda terminal: terminal.close())
    assert bench.finish(PREFECT_API_URL=prefect_api) == calm("tables")


@pytest.mark.slow
def test_a_second_ctrl_c_leaves_no_server_behind(make_bench, calm, prefect_api):
    def twice(terminal):
        terminal.type(CTRL_C)
        time.sleep(0.6)  # no synchronisation: what comes sooner is taken for the same one
        if terminal.process.poll() is None:
            terminal.type(CTRL_C)

    bench = make_bench()
    terminal, told = stopped(bench, "chunk staged", twice)
    assert STOPPED in told
    assert terminal.as_it_was()
    assert bench.finish(PREFECT_API_URL=prefect_api) == calm("tables")


@pytest.mark.slow
def test_a_build_that_is_killed_leaves_no_server_behind(make_bench):
    """As where memory runs out: the kernel kills the process that works."""
    terminal, reached = make_bench().at_a_terminal(point="source copied")
    wait_for(terminal, reached, "source copied")
    tree = terminal.tree()
    tree[1].kill()
    assert terminal.end() == 1
    assert "makeweight: ended by SIGKILL, most often because memory ran out" in terminal.text
    assert ended(tree) == []
    assert terminal.as_it_was()


@pytest.mark.slow
@pytest.mark.parametrize(
    "point", [r"/evaluation/real\.json$", POINTS["chunk staged"], r"/evaluation/.*trials/.*\.npz$"]
)
def test_ctrl_c_while_a_dataset_is_judged(make_bench, point):
    bench = make_bench(evaluate={"test": "held_out.csv", "seeds": 2})
    rows = (bench.place / "t.csv").read_text().splitlines()
    (bench.place / "held_out.csv").write_text("\n".join(rows) + "\n")
    terminal, told = stopped(bench, point, ctrl_c, verb="evaluate", FAULT_POINT=point, FAULT_NTH="1")
    check_one_sentence(terminal, told)
    assert not (bench.place / "out" / "evaluation.json").exists()
