"""Builds in this process alone, for tests that run hundreds of them: each step, and each actor, is a plain call.

What Ray and Prefect do to a build is seen elsewhere; here it is the files that count.
"""

from collections import deque
from contextlib import contextmanager, nullcontext
from functools import cache
from importlib.metadata import version

import pytest

import flows.build
import flows.privacy
import flows.utility
from flows.progress import Listener
from pipelines import actors
from pipelines.pool import GeneratorActor

TASKS = [(module, name) for module in (flows.build, flows.privacy, flows.utility) for name in dir(module)]


known_version = cache(version)


class Fit:
    """The fit of a generator, as `actors.Fitting` has it."""

    def __init__(self, plan, place, gpus):
        self._actor = actors.FittingActor(place)

    def wait(self, heard):
        """Fit it now."""
        self._actor.fit()

    def close(self):
        """Do nothing: there is no process to end."""


class Pool:
    """One actor that makes a chunk when it is asked what is done, as `pool.GeneratorPool` has it."""

    slots, actors = 2, 1

    def __init__(self, place):
        self._actor, self._asked, self.remade = GeneratorActor(place, "cpu"), deque(), 0

    def submit(self, request):
        """Keep the request."""
        self._asked.append(request)

    def collect(self):
        """Make one chunk."""
        result = self._actor.make(self._asked.popleft())
        self.remade += result.remade
        return [result]


def build_alone(spec):
    """Build in this process."""
    with _alone():
        return flows.build.build.fn(spec)


@contextmanager
def _alone():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(actors, "run", lambda function, *args: function(*args))
        patch.setattr(actors, "run_all", lambda function, calls: (function(*args) for args in calls))
        patch.setattr(actors, "cluster", lambda _: nullcontext())
        patch.setattr(actors, "gpu_share", lambda *_: 0.0)
        patch.setattr(actors, "pool_size", lambda *_: 1)
        patch.setattr(actors, "Fitting", Fit)
        patch.setattr(flows.build, "open_pool", lambda plan, place, choice: nullcontext(Pool(place)))  # noqa: ARG005
        patch.setattr(flows.build, "refuse_own_disk", lambda _: None)
        patch.setattr(flows.build, "watch", Listener)
        patch.setattr(flows.build, "Timekeeper", lambda _: Listener())
        patch.setattr(flows.build, "announce", lambda *_: None)
        patch.setattr("pipelines.summary.render_report", lambda data: f"{data.manifest.rows} rows")
        patch.setattr(flows.utility, "render_evaluation", lambda manifest, _: f"{manifest.rows} rows")
        patch.setattr("pipelines.workspace.version", known_version)
        for module, name in TASKS:
            if name.endswith("_task"):
                patch.setattr(module, name, getattr(module, name).fn)
        yield
