"""What may pass is done once more; what is certain ends a build at once, and what it had begun ends with it."""

import errno
import os
import re
from pathlib import Path

import httpx
import pytest
from ray.exceptions import ActorDiedError, NodeDiedError, ObjectLostError, OutOfMemoryError, WorkerCrashedError

import flows.deployed.worker
import flows.steps
from flows.build import build
from flows.deployed.request import request_balanced_dataset
from flows.interrupt import handle_stop_signals
from flows.task import is_worth_retrying
from pipelines.plan.policy import SETTING
from schemas.errors import GeneratorError, SourceError
from tests.flows.mistakes import FitRaises, FitsAlone, LoadRaises, SampleRaises, refuse_for_good, refuse_once
from tests.prefect_server import policy

OWN = "tests.flows.mistakes:{}"


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError("reset"),
        TimeoutError("late"),
        OSError("AWS Error NETWORK_CONNECTION"),
        OSError(errno.EIO, "a disk that stumbles"),
        FileNotFoundError(errno.ENOENT, "not there yet"),
        httpx.ReadTimeout("Prefect's server is busy"),
        ActorDiedError(),
        NodeDiedError("gone"),
        OutOfMemoryError("the node is full"),
        ObjectLostError("a", "b", "c"),
        WorkerCrashedError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_pass_is_tried_again(error):
    assert is_worth_retrying(error)


@pytest.mark.parametrize(
    "error",
    [
        *(kind("a mistake") for kind in (TypeError, KeyError, ValueError, AttributeError, IndexError, RuntimeError)),
        *(kind("a mistake") for kind in (ZeroDivisionError, ImportError, NotImplementedError, UnicodeError)),
        *(OSError(number, os.strerror(number)) for number in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EISDIR)),
        SourceError("explained"),
        None,
    ],
    ids=repr,
)
def test_what_is_certain_is_not(error):
    assert not is_worth_retrying(error)


def test_nothing_is_tried_again_once_the_build_is_to_stop():
    with handle_stop_signals():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), 2)
        assert not is_worth_retrying(ConnectionResetError("what came of it"))


@pytest.fixture
def marked(make_spec, tmp_path):
    """Return a spec with one of the generators above, and the folder of its marks."""
    marks = tmp_path / "marks"
    marks.mkdir()

    def make(generator, **parts):
        return make_spec(
            generator={"name": OWN.format(generator.__name__), "params": {"marks": str(marks)}, "actors": 2}, **parts
        )

    return make, marks


TOLD = {
    FitRaises: "could not be fitted: KeyError('no such key') (mistakes.py, line N, in fit)",
    SampleRaises: "failed on class 'fraud', chunk N: IndexError('no such row') (mistakes.py, line N, in sample)",
    LoadRaises: "failed on class 'fraud', chunk N: TypeError('no such argument') (mistakes.py, line N, in load)",
}


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("generator", TOLD)
def test_a_mistake_of_a_generator_ends_the_build_at_once_in_one_sentence(marked, generator):
    make, marks = marked
    with pytest.raises(GeneratorError) as raised:
        build(make(generator))
    said = re.sub(r"(line|chunk) \d+", r"\1 N", str(raised.value))
    assert said == f"generator '{OWN.format(generator.__name__)}' {TOLD[generator]}"
    calls = [path.name.split("-")[0] for path in marks.iterdir()]
    assert calls.count("fit") <= 1, "the step was not tried again"
    assert calls.count("sample") <= 4, "each of two actors had two requests at most"


def fitting_processes(marks):
    return [int(path.name.split("-")[2]) for path in marks.glob("fit-*")]


def runs(process):
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes() != b""
    except OSError:
        return False


@pytest.mark.usefixtures("engine")
def test_a_validator_that_cannot_be_fitted_ends_the_fit_of_the_generator(marked, monkeypatch):
    make, marks = marked
    monkeypatch.setattr(flows.steps, "fit_validator", refuse_for_good)
    with pytest.raises(KeyError, match="a validator's mistake"):
        build(make(FitsAlone))
    (process,) = fitting_processes(marks)
    assert not runs(process), "it goes on alone"


@pytest.mark.usefixtures("engine")
def test_a_fit_that_is_tried_again_finds_nobody_at_its_files(marked, monkeypatch):
    make, marks = marked
    monkeypatch.setattr(flows.steps, "fit_validator", refuse_once)
    assert build(make(FitsAlone, validate=["duplicates"])).rows
    first, second = fitting_processes(marks)
    assert first != second
    assert not list(marks.glob("second-*"))


@pytest.mark.usefixtures("engine")
def test_a_mistake_on_a_worker_runs_once(make_spec, monkeypatch):
    calls = []

    def mistaken(spec):
        calls.append(spec.name)
        raise KeyError("makeweight's own mistake")

    monkeypatch.setattr(flows.deployed.worker, "plan_build", mistaken)
    spec = make_spec()
    with policy(
        os.path.dirname(spec.source.path), os.path.dirname(spec.output.path), modules=["tests.benchmarks.cheap"]
    ) as path:
        monkeypatch.setenv(SETTING, path)
        state = request_balanced_dataset(spec, return_state=True)
    assert (state.is_failed(), calls) == (True, ["payments"]), state.message
    assert "makeweight's own mistake" in state.message
