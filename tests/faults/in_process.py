"""Runs a whole build in this process, without Ray and Prefect: their part is to run functions, and to try again."""

import inspect
from contextlib import contextmanager

import flows.build as flow
import flows.utility as utility
from flows.build import build
from flows.progress import Listener
from pipelines import actors
from pipelines.chunk import ChunkMaker
from pipelines.fit import fit_generator, load_generator, load_validators
from pipelines.ingest import ingested
from schemas.errors import MakeweightError

ATTEMPTS = 3
"""How often Prefect tries a step; see flows/step.py."""


class Pool:
    """Makes chunks when they are collected; a `fill.Pool`."""

    slots, actors = 2, 1

    def __init__(self, plan, place):
        generator, parents = load_generator(plan, place.models, "cpu")
        validators = load_validators(plan, place)
        self._maker = ChunkMaker(plan, generator, validators, parents, place.staged, place.carried)
        self._asked = []

    def submit(self, request):
        self._asked.append(request)

    def collect(self):
        return [self._maker.make(self._asked.pop(0))]


class Training:
    """Nobody asks how far it is."""

    def report(self, progress):
        pass

    def restore(self):
        return None

    def keep(self, state):
        pass


class Fitting:
    """Fits when it is waited for."""

    def __init__(self, plan, place, gpus):
        self._plan, self._place = plan, place

    def give_way(self):
        pass

    def wait(self, heard):
        fit_generator(self._plan, ingested(self._place.real), self._place.models, Training())


def tried_again(function):
    """Return a step that is tried as Prefect tries it: again after any error that was not explained to the user."""

    def attempt(*args):
        for left in reversed(range(ATTEMPTS)):
            try:
                return function(*args)
            except MakeweightError:
                raise
            except Exception:
                if not left:
                    raise
        return None

    return attempt


def answering(value):
    """Return a function that answers everything with this value."""
    return lambda *_: value


def go_in_process(monkeypatch):
    """Let builds of this test run in this process; return the flow as a plain function."""
    for module in (flow, utility):
        for name, step in inspect.getmembers(module, lambda one: hasattr(one, "fn") and hasattr(one, "retries")):
            if name.endswith("_task"):
                monkeypatch.setattr(module, name, tried_again(step.fn))

    @contextmanager
    def no_cluster(choice):
        yield None

    @contextmanager
    def pool(plan, place, choice):
        yield Pool(plan, place)

    replaced = {
        "cluster": no_cluster,
        "run": lambda function, *args: function(*args),
        "run_all": lambda function, calls, *_: (function(*args) for args in calls),
        "Fitting": Fitting,
        "gpu_share": answering(0.0),
        "pool_size": answering(1),
    }
    for name, value in replaced.items():
        monkeypatch.setattr(actors, name, value)
    monkeypatch.setattr(flow, "open_pool", pool)
    monkeypatch.setattr(flow, "summarise", answering("<p>a report</p>"))
    monkeypatch.setattr(flow, "watch", Listener)
    monkeypatch.setattr(flow, "Timekeeper", answering(Listener()))
    for name in ("refuse_own_disk", "announce"):
        monkeypatch.setattr(flow, name, answering(None))
    return build.fn
