"""Actors that die, hang and are stopped: the build ends with the same bytes, or fails and names the request."""

import os
import signal

import psutil
import pytest

from flows.build import build
from flows.progress import Listener, listen
from pipelines.dataset.verify import verify
from schemas.errors import GeneratorError
from schemas.spec import Spec, parse
from tests.faults.conftest import tables
from tests.waiting import wait_until

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.slow]
PATIENT = 600
DEADLINE = 4.0
"""Seconds that a request may take here; making a chunk takes a hundredth of one."""


def own_actors():
    """Return the actors of this process's own cluster."""
    children = psutil.Process().children(recursive=True)
    return [process for process in children if "ray::GeneratorActor" in process.name()]


class Strikes(Listener):
    """Sends a signal to so many actors when the first chunk was accepted."""

    def __init__(self, number, most):
        self.number, self.most, self.struck = number, most, 0

    def filled(self, progress):
        if not self.struck:
            for process in own_actors()[: self.most]:
                process.send_signal(self.number)
                self.struck += 1


@pytest.fixture
def make_spec(tmp_path):
    parts = tables(tmp_path)
    parts["source"]["path"] = str(tmp_path / "t.csv")

    def make(out, deadline=PATIENT, **fault):
        (tmp_path / f"{out}-marks").mkdir()
        params = {"marks": str(tmp_path / f"{out}-marks"), **fault} if fault else {}
        name = "tests.faults.faulty:Faulty" if fault else "smote"
        generator = {"name": name, "params": params, "actors": 2, "chunk_rows": 8, "deadline_seconds": deadline}
        output = {"path": str(tmp_path / out), "shard_rows": 50}
        return parse(Spec, {"name": "t", **parts, "generator": generator, "output": output})

    return make


@pytest.mark.parametrize(
    ("number", "most"), [(signal.SIGKILL, 1), (signal.SIGKILL, 2), (signal.SIGSTOP, 1)], ids=["one", "all", "stopped"]
)
def test_actors_that_are_killed_or_stopped_cost_nothing_but_time(make_spec, tmp_path, number, most):
    expected = build(make_spec("calm"))
    strikes = Strikes(number, most)
    with listen(strikes):
        manifest = build(make_spec("stormy", deadline=DEADLINE))
    assert strikes.struck == most
    assert manifest == expected
    assert verify(str(tmp_path / "stormy")).problems == []


def test_a_request_that_hangs_twice_is_got_over(make_spec):
    calm = build(make_spec("calm", times=0))
    stormy = build(make_spec("stormy", deadline=DEADLINE, times=2))
    assert stormy.content_hash == calm.content_hash


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("hang", "gave no answer within 4 s; if it needs longer, raise generator.deadline_seconds"),
        ("die", "died on it, the last with: The actor"),
    ],
)
def test_a_request_on_which_three_actors_fail_is_named_and_no_other(make_spec, how, told):
    with pytest.raises(GeneratorError, match=f"class 'b', chunk 1: 3 actors .*{told}"):
        build(make_spec("out", deadline=DEADLINE, how=how))
    wait_until(lambda: not own_actors(), saw=own_actors)


def test_a_generator_that_always_fails_stops_the_build_with_its_own_message(make_spec, tmp_path):
    with pytest.raises(GeneratorError, match="class 'b', chunk 0: ZeroDivisionError.'the model is broken'"):
        build(make_spec("out", how="raise", chunk=0))
    assert len(os.listdir(tmp_path / "out-marks")) == 1, "it is not tried again"
