"""Builds that are halted, lose their output to another one, and wake: they end with one sentence and change nothing."""

import hashlib

import pytest
from filelock import FileLock, Timeout

from pipelines.storage.lock import GUARD
from tests.faults.harness import wait_until

PROGRAM = """
import sys
from pipelines.storage import lock
here = lock._identify_host()
lock._identify_host = lambda: ("{host}", *here[1:])
lock.BEAT, lock.SILENT = 0.2, 3.0
from flows.cli import main
main()
"""
"""The command line on a machine of this name, which takes a build elsewhere for dead after three seconds."""
TAKEN = "out is being written by another build (host 'second', process "
GONE = "out: the lock of this build is gone: another build took it over and ended, or somebody removed it; run"


def start(bench, host, api, **parts):
    """Start a build as on another machine; it is paused at its point, if one is given."""
    program = ("-c", PROGRAM.format(host=host))
    return bench.start(program=program, FAULT_HOW="pause", PREFECT_API_URL=api, **parts)


def paused(bench, host, api, point, *, commits=False, **parts):
    """Start a build, and halt all of it once it is at the point; amid a sign of life only if it `commits` there.

    One that is halted with the guard in its hand is not taken over, but waited for.
    """
    run = start(bench, host, api, point=point, **parts)
    run.wait_for_the_point()
    run.pause()
    while not commits and is_guarded(bench.place / "out"):
        run.wake()
        run.pause()
    return run


def is_guarded(out):
    """Whether a process holds the guard of this output."""
    try:
        with FileLock(out / ".makeweight" / GUARD, timeout=0):
            return False
    except Timeout:
        return True


def files(folder):
    """Return the hash of each file that a reader sees."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and ".makeweight" not in path.parts
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "when"),
    [
        ("source copied", "before"),
        ("model saved", "before"),
        ("model recorded", "before"),
        ("chunk staged", "before"),
        ("classes full", "before"),
        ("classes full", "after"),
        ("shard written", "before"),
        ("shard written", "after"),
    ],
)
def test_a_build_that_wakes_after_another_one_took_over_changes_nothing(make_bench, calm, prefect_api, point, when):
    bench = make_bench()
    first = paused(bench, "first", prefect_api, point, when=when)
    code, told = start(bench, "second", prefect_api).end()
    assert code == 0, told
    before = files(bench.place / "out")
    first.wake()
    code, told = first.end()
    assert (code, "Traceback" in told) == (2, False), told
    assert GONE in told
    assert files(bench.place / "out") == before
    assert bench.finish(PREFECT_API_URL=prefect_api) == calm("tables"), "what it left in the work folder goes too"


@pytest.mark.slow
def test_a_build_of_another_spec_that_took_over_is_not_overwritten(make_bench, prefect_api):
    bench, other = make_bench(), make_bench(seed=5)
    expected = other.finish("calm", PREFECT_API_URL=prefect_api)
    first = paused(bench, "first", prefect_api, "shard written")
    code, told = start(other, "second", prefect_api, out=str(bench.place / "out")).end()
    assert code == 0, told
    before = files(bench.place / "out")
    first.wake()
    code, told = first.end()
    assert (code, "Traceback" in told) == (2, False), told
    assert GONE in told
    assert files(bench.place / "out") == before
    assert expected in (bench.place / "out" / "manifest.json").read_text()


@pytest.mark.parametrize("at", ["chunk staged", pytest.param("shard written", marks=pytest.mark.slow)])
def test_a_build_that_wakes_while_another_one_is_under_way_leaves_it_alone(make_bench, calm, prefect_api, at):
    bench = make_bench()
    first = paused(bench, "first", prefect_api, "chunk staged")
    second = start(bench, "second", prefect_api, point=at, when="after")
    second.wait_for_the_point()  # one of its processes is halted there, and it goes on giving signs of life
    first.wake()
    code, told = first.end()
    assert (code, "Traceback" in told) == (2, False), told
    assert TAKEN in told
    second.wake()
    code, told = second.end()
    assert code == 0, told
    assert bench.finish(PREFECT_API_URL=prefect_api) == calm("tables")


@pytest.mark.slow
def test_a_build_that_is_halted_while_it_publishes_is_waited_for(make_bench, calm, prefect_api):
    bench = make_bench()
    first = paused(bench, "first", prefect_api, "manifest written", commits=True)
    code, told = start(bench, "second", prefect_api).end()
    assert (code, "Traceback" in told) == (2, False), told
    assert "out is being written by another build (host 'first', process " in told
    first.wake()
    code, told = first.end()
    assert code == 0, told
    assert bench.check() == calm("tables")


@pytest.mark.slow
def test_a_build_that_was_only_halted_goes_on(make_bench, calm, prefect_api):
    bench = make_bench()
    first = paused(bench, "first", prefect_api, "chunk staged")
    first.wake()
    wait_until(lambda: first.process.poll() is not None)
    code, told = first.end()
    assert code == 0, told
    assert bench.check() == calm("tables")
