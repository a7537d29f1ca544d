"""Measures how long the steps of a build take, and keeps that for later estimates. Its failures never stop a build.

A resumed build is left out, since it says nothing of the whole time. So are a build whose fill was tried again, and a
version that tops up another one.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import psutil

from flows.progress import Build, Listener
from pipelines.engine.actors import device_name, gpu_share
from pipelines.fill.loop import StratumProgress
from pipelines.fit.fitting import RECORD, model_fingerprint
from pipelines.plan.rates import first_classes, params_key, rates_file, remember, row_width
from schemas.errors import MakeweightError
from schemas.manifest import Manifest
from schemas.plan import Plan
from schemas.rates import Rates
from schemas.spec import GeneratorChoice

_command: ContextVar[float | None] = ContextVar("command", default=None)
"""The start of the process, if it was started for this build alone."""


@contextmanager
def count_from_process_start() -> Iterator[None]:
    """Count the time of a build in this block from the start of the process, which was started for that build."""
    before = _command.set(psutil.Process().create_time())
    try:
        yield
    finally:
        _command.reset(before)


class Timekeeper(Listener):
    """Measures one run of a build with this choice of generator."""

    def __init__(self, choice: GeneratorChoice) -> None:
        self._choice = choice
        self._steps: dict[str, float] = {}
        self._step, self._since = "", 0.0
        self._plan: Plan | None = None
        self._strata: dict[str, StratumProgress] = {}
        self._fitted, self._actors, self._fills = False, 1, 0
        self._gpus, self._device = 0.0, "cpu"
        self._warm, self._first = 0.0, 0

    def started(self, build: Build) -> None:
        """Begin to measure, unless some work is done already."""
        self._turn("start")
        if (began := _command.get()) is not None:
            self._since -= max(0.0, time.time() - began)
        try:
            fresh = rates_file() is not None and build.plan.base is None and not build.workspace.work.exists()
            self._fitted = fresh and build.workspace.models.at(model_fingerprint(build.plan)).exists(RECORD)
        except (OSError, MakeweightError):  # the build itself raises it
            fresh = False
        self._plan = build.plan if fresh else None

    def step(self, name: str) -> None:
        """Count the time for another step from now on."""
        self._turn(name)

    def filling(self, plan: Plan, actors: int) -> None:
        """Note the number of actors and their device."""
        self._fills += 1
        self._actors, self._gpus = actors, gpu_share(plan, self._choice)
        self._device = device_name(self._gpus)

    def filled(self, progress: StratumProgress) -> None:
        """Note the time of the first candidates, and the counts of a class."""
        if not self._warm and progress.candidates:
            self._warm, self._first = time.perf_counter() - self._since, progress.candidates
        self._strata[progress.name] = progress

    def ended(self, manifest: Manifest) -> None:
        """Keep the measured rates, if the run was a whole build."""
        self._turn("")
        plan = self._plan
        if plan is None or "write" not in self._steps or self._fills != plan.makes_rows:
            return
        remember(self._rates(plan, manifest))

    def _turn(self, name: str) -> None:
        now = time.perf_counter()
        if self._step:
            self._steps[self._step] = self._steps.get(self._step, 0.0) + now - self._since
        self._step, self._since = name, now

    def _rates(self, plan: Plan, manifest: Manifest) -> Rates:
        learns = plan.makes_rows and not self._fitted
        looked_at = [one for one in self._strata.values() if one.candidates]
        kept = {one.name: 1 - sum(one.rejected.values()) / one.candidates for one in looked_at}
        return Rates(
            at=time.time(),
            name=plan.name,
            generator=plan.generator.name,
            params=params_key(plan.generator),
            modality=plan.modality,
            width=row_width(plan),
            device=self._device,
            gpus=self._gpus,
            actors=self._actors,
            source_bytes=plan.profile.bytes,
            rows=manifest.rows,
            fit_rows=min(plan.fit_rows, sum(stratum.real for stratum in plan.strata)) if learns else None,
            warm=self._warm,
            first=self._first,
            candidates=sum(one.candidates for one in looked_at),
            kept=first_classes(kept),
            steps={name: round(seconds, 3) for name, seconds in self._steps.items()},
        )
