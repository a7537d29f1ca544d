"""Runs a whole build in this process, without Ray and Prefect: their part is to run functions, and to try again.

What Ray and Prefect do to a build is seen elsewhere; here it is the files that count, and hundreds of builds.
"""

import inspect
from collections import deque
from contextlib import contextmanager, nullcontext

import pytest

import flows.build
import flows.evaluation_steps
import flows.privacy_step
import flows.steps
from flows.progress import Listener
from flows.task import is_worth_retrying
from pipelines.engine import actors
from pipelines.engine.pool import GeneratorActor
from pipelines.storage.workspace import plan_hash

ATTEMPTS = 3
"""How often Prefect tries a step; see flows/task.py."""


class Pool:
    """One actor that makes a chunk when it is asked what is done; as `pool.GeneratorPool`."""

    slots, actors = 2, 1

    def __init__(self, plan, place):
        self._actor, self._asked, self.remade = GeneratorActor(place, plan_hash(plan), "cpu"), deque(), 0

    def submit(self, request):
        self._asked.append(request)

    def collect(self):
        result = self._actor.make(self._asked.popleft())
        self.remade += result.remade
        return [result]


class Fitting:
    """Fits when it is waited for; as `actors.Fitting`."""

    def __init__(self, plan, place, gpus, where):
        self._actor = actors.FittingActor(place, plan_hash(plan))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def release_if_done(self):
        pass

    def wait(self, heard):
        self._actor.fit()


def tried_again(function):
    """Return a step that is tried as Prefect tries it: again where that may help."""

    def attempt(*args):
        for left in reversed(range(ATTEMPTS)):
            try:
                return function(*args)
            except Exception as error:
                if not left or not is_worth_retrying(error):
                    raise
        return None

    return attempt


def answering(value):
    """Return a function that answers everything with this value."""
    return lambda *_: value


def go_without_engines(monkeypatch):
    """Let flows of this test run in this process, as they are but for Ray and Prefect."""
    for module in (flows.steps, flows.privacy_step, flows.evaluation_steps):
        for name, step in inspect.getmembers(module, lambda one: hasattr(one, "fn") and hasattr(one, "retries")):
            if name.endswith("_task"):
                monkeypatch.setattr(flows.build, name, tried_again(step.fn))
    replaced = {
        "join_cluster": answering(nullcontext()),
        "run": lambda function, *args: function(*args),
        "run_all": lambda function, calls, *_: (function(*args) for args in calls),
        "Fitting": Fitting,
        "gpu_share": answering(0.0),
        "choose_pool_size": answering(1),
    }
    for name, value in replaced.items():
        monkeypatch.setattr(actors, name, value)
    monkeypatch.setattr("flows.server._ServedFlow.__call__", lambda flow, *args, **named: flow.fn(*args, **named))
    monkeypatch.setattr("flows.watching.prefect_log.RunLog._say", answering(None))  # it is Prefect's
    monkeypatch.setattr("flows.timing.gpu_share", answering(0.0))
    monkeypatch.setattr("flows.timing.device_name", answering("cpu"))
    monkeypatch.setattr(flows.steps, "open_pool", lambda plan, place, *_: nullcontext(Pool(plan, place)))
    monkeypatch.setattr(flows.build, "choose_machine", lambda plan, *_: plan)
    monkeypatch.setattr(flows.steps, "pin_to_machine", answering({}))
    monkeypatch.setattr(flows.steps, "refuse_unshared_output", answering(None))
    monkeypatch.setattr(flows.build, "publish_artifacts", answering(None))


def go_in_process(monkeypatch):
    """Let builds of this test run in this process, unwatched and with no report; return the flow as a function."""
    go_without_engines(monkeypatch)
    monkeypatch.setattr("pipelines.report.summary.render_report", answering("<p>a report</p>"))
    monkeypatch.setattr(flows.build, "make_watch", Listener)
    monkeypatch.setattr(flows.build, "Timekeeper", answering(Listener()))
    return flows.build.build.fn


def build_in_process(spec):
    """Build in this process, and leave all as it was."""
    with pytest.MonkeyPatch.context() as patch:
        return go_in_process(patch)(spec)


@contextmanager
def without_engines():
    """Run flows in this process in this block, and leave all as it was."""
    with pytest.MonkeyPatch.context() as patch:
        go_without_engines(patch)
        yield
