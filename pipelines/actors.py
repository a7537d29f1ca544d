"""Ray: how a cluster is reached, tasks for the heavy steps, and the actor that fits. Actors that make: `pool.py`."""

import math
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import ray
from ray._private import ray_constants
from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError

from generators.base import TrainingProgress
from pipelines.fit import KeptTraining, fit_generator, training_folder
from pipelines.ingest import ingested
from pipelines.registry import generator_class
from pipelines.workspace import Workspace
from schemas.errors import Fault, GeneratorError, SpecError
from schemas.plan import Plan
from schemas.spec import GeneratorChoice

R = TypeVar("R")
LOCAL: dict[str, Any] = {
    "address": "local",  # else Ray joins a cluster that somebody started on this machine
    "include_dashboard": False,
    "_system_config": {"idle_worker_killing_time_threshold_ms": 600_000},
}
"""How Ray runs on this machine: processes of one step wait for the next, since starting one takes seconds."""
DEATHS = 3
"""How many actors may die or hang on one request, or die on one fit, before it is given up."""
WATCHED = 1.0
"""Seconds from one look at a training to the next."""


@contextmanager
def cluster(choice: GeneratorChoice) -> Iterator[None]:
    """Join the cluster that RAY_ADDRESS names, or start Ray on this machine for as long as the block lasts."""
    if ray.is_initialized():
        yield
        return
    joined = bool(os.environ.get("RAY_ADDRESS"))
    wanted = math.ceil((choice.actors or 1) * choice.cpus)
    local = {} if joined else {"num_cpus": max(os.cpu_count() or 1, wanted), **LOCAL}
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if not joined:
        _stay_within()
    ray.init(log_to_driver=False, logging_level="ERROR", **local)
    try:
        yield
    finally:
        ray.shutdown()


def _stay_within() -> None:
    """Let Ray answer on the loopback interface alone, unless its own setting says otherwise.

    Whoever reaches its ports may run code. It has this switch for systems where it makes no clusters, and reads it once
    when it is imported; the processes that it starts read it from the environment.
    """
    if ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR not in os.environ:
        os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = "0"
        ray_constants.ENABLE_RAY_CLUSTER = False


def run(function: Callable[..., R], *args: Any) -> R:
    """Run one step as a Ray task, away from the driver, and return what it returns."""
    return cast(R, _get(ray.remote(num_cpus=1, max_retries=DEATHS)(function).remote(*args)))


def run_all(function: Callable[..., R], calls: Iterable[Sequence[Any]]) -> Iterator[R]:
    """Run a function on each tuple of arguments as Ray tasks; yield the results in order.

    Hardly more are under way than there are CPUs, so that finished results do not pile up.
    """
    task = ray.remote(num_cpus=1, max_retries=DEATHS)(function)
    ahead = max(2, int(ray.cluster_resources().get("CPU", 1)) + 1)
    pending: deque[Any] = deque()
    for args in calls:
        pending.append(task.remote(*args))
        if len(pending) >= ahead:
            yield _get(pending.popleft())
    while pending:
        yield _get(pending.popleft())


def _get(ref: Any) -> Any:
    try:
        return ray.get(ref)
    except RayTaskError as error:
        raise cause_of(error) from None


def cause_of(error: RayTaskError) -> BaseException:
    """Return the exception that was raised in the task, without the wrapping that Ray puts around it."""
    cause = error.cause
    return cause if isinstance(cause, Exception) else error


class FittingActor:
    """A Ray actor that fits the generator, and says meanwhile how far it is."""

    def __init__(self, place: Workspace) -> None:
        self._place, self._plan = place, place.plan()
        self._training = KeptTraining(training_folder(self._plan, place.models))

    def fit(self) -> None:
        """Fit the generator and save it; an actor that takes a dead one's place goes on where that was."""
        fit_generator(self._plan, ingested(self._place.real), self._place.models, self._training)

    def progress(self) -> TrainingProgress | None:
        """Return what the training reported last."""
        return self._training.progress


class Fitting:
    """The fit of a generator, under way on an actor with its share of a GPU."""

    def __init__(self, plan: Plan, place: Workspace, gpus: float) -> None:
        options = {"max_concurrency": 2, "max_restarts": DEATHS - 1, "max_task_retries": DEATHS - 1}
        self._actor = ray.remote(num_cpus=1, num_gpus=gpus, **options)(FittingActor).remote(place)
        self._name = plan.generator.name
        self._fit = self._actor.fit.remote()

    def wait(self, heard: Callable[[TrainingProgress], None]) -> None:
        """Wait for the end, and tell meanwhile how far it is; what the fit raises is raised here."""
        last = None
        while not ray.wait([self._fit], timeout=WATCHED)[0]:
            now = self._progress()
            if now and now != last:
                heard(now)
                last = now
        try:
            _get(self._fit)
        except (RayActorError, OutOfMemoryError) as error:
            problem = f"the fit of {self._name!r} died {DEATHS} times, the last with: {told(error)}"
            raise GeneratorError(f"{problem}; give it more memory, or a smaller model") from error
        finally:
            ray.kill(self._actor)

    def _progress(self) -> TrainingProgress | None:
        ready, _ = ray.wait([asked := self._actor.progress.remote()], timeout=WATCHED)
        try:
            return cast(TrainingProgress | None, ray.get(asked)) if ready else None
        except RayActorError:
            return None  # another one takes its place


def told(error: Exception) -> str:
    """Return what Ray says of a dead actor, short: its first line, and the last, where the cause stands."""
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines() if line.strip()]
    return " … ".join(dict.fromkeys([lines[0], lines[-1]])) if lines else type(error).__name__


def gpu_share(plan: Plan, choice: GeneratorChoice) -> float:
    """Return the share of a GPU that an actor takes: the spec's, or a whole one if the model gains from it."""
    if choice.gpus is not None:
        return choice.gpus
    there = ray.cluster_resources().get("GPU", 0)
    return 1.0 if there and generator_class(plan.generator.name).uses_gpu else 0.0


def pool_size(plan: Plan, choice: GeneratorChoice, gpus: float) -> int:
    """Return how many actors to open: the spec's number, or as many as fit; never more than there are chunks.

    Raises SpecError if the cluster cannot hold what was asked for, rather than wait for it for ever.
    """
    there = ray.cluster_resources()
    fits = int(there.get("CPU", 0) / choice.cpus + 1e-9)
    if gpus:
        fits = min(fits, int(there.get("GPU", 0) / gpus + 1e-9))
    wanted = choice.actors or max(1, fits)
    if wanted > fits:
        asked = f"{wanted} actor(s) of {choice.cpus:g} CPU and {gpus:g} GPU"
        has = f"{there.get('CPU', 0):g} CPU and {there.get('GPU', 0):g} GPU"
        raise SpecError(Fault(("generator",), f"asks for {asked}, but there are {has}; lower actors, cpus or gpus"))
    chunks = sum(-(-stratum.make // stratum.chunk_rows) for stratum in plan.strata)
    return max(1, min(wanted, chunks))
