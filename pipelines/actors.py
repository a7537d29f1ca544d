"""Ray: actors that make chunks, tasks for the heavy steps. The only module that knows how to reach a cluster."""

import math
import os
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeVar, cast

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError

from generators.base import TrainingProgress
from pipelines.chunk import ChunkMaker
from pipelines.fill import ChunkResult
from pipelines.fit import KeptTraining, fit_generator, load_generator, load_validators, training_folder
from pipelines.ingest import RealRows
from pipelines.registry import generator_class
from pipelines.workspace import Workspace
from schemas.errors import Fault, GeneratorError, MakeweightError, SpecError
from schemas.plan import Plan, SampleRequest
from schemas.spec import GeneratorChoice

R = TypeVar("R")
AHEAD = 2
"""Requests that each actor holds: one it works on, one that waits, so that it never idles."""
LOCAL: dict[str, Any] = {
    "include_dashboard": False,
    "_system_config": {"idle_worker_killing_time_threshold_ms": 600_000},
}
"""How Ray runs on this machine: processes of one step wait for the next, since starting one takes seconds."""
DEATHS = 3
"""How many actors may die on one request, or on one fit, before it is given up."""
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
    ray.init(log_to_driver=False, logging_level="ERROR", **local)
    try:
        yield
    finally:
        ray.shutdown()


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
        raise _cause(error) from None


def _cause(error: RayTaskError) -> BaseException:
    """Return the exception that was raised in the task, without the wrapping that Ray puts around it."""
    cause = error.cause
    return cause if isinstance(cause, Exception) else error


class FittingActor:
    """A Ray actor that fits the generator, and says meanwhile how far it is."""

    def __init__(self, plan: Plan, real: RealRows, place: Workspace) -> None:
        self._parts = plan, real, place.models
        self._training = KeptTraining(training_folder(plan, place.models))

    def fit(self) -> None:
        """Fit the generator and save it; an actor that takes a dead one's place goes on where that was."""
        fit_generator(*self._parts, self._training)

    def progress(self) -> TrainingProgress | None:
        """Return what the training reported last."""
        return self._training.progress


class Fitting:
    """The fit of a generator, under way on an actor with its share of a GPU."""

    def __init__(self, plan: Plan, real: RealRows, place: Workspace, gpus: float) -> None:
        options = {"max_concurrency": 2, "max_restarts": DEATHS - 1, "max_task_retries": DEATHS - 1}
        self._actor = ray.remote(num_cpus=1, num_gpus=gpus, **options)(FittingActor).remote(plan, real, place)
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
            problem = f"the fit of {self._name!r} died {DEATHS} times, the last with: {_told(error)}"
            raise GeneratorError(f"{problem}; give it more memory, or a smaller model") from error
        finally:
            ray.kill(self._actor)

    def _progress(self) -> TrainingProgress | None:
        ready, _ = ray.wait([asked := self._actor.progress.remote()], timeout=WATCHED)
        try:
            return cast(TrainingProgress | None, ray.get(asked)) if ready else None
        except RayActorError:
            return None  # another one takes its place


class GeneratorActor:
    """A Ray actor that loads one fitted model and the fitted validators once, and makes chunks with them."""

    def __init__(self, place: Workspace, device: str) -> None:
        self._place, self._device = place, device

    @cached_property
    def _maker(self) -> ChunkMaker:
        # not in the constructor: an exception there would kill the actor, and its message with it
        plan = self._place.plan()
        generator, parents = load_generator(plan, self._place.models, self._device)
        validators = load_validators(plan, self._place.validators)
        return ChunkMaker(plan, generator, validators, parents, self._place.staged)

    def make(self, request: SampleRequest) -> ChunkResult:
        """Make the chunk, stage its rows, and return its counts and sketches."""
        return self._maker.make(request)


class GeneratorPool:
    """Ray actors that serve requests; a `fill.Pool`.

    An actor that dies is started again by Ray, and its requests are given out anew; a request on which actors die
    again and again fails by name. An exception that a generator raises is not retried: it would be raised again.
    """

    def __init__(self, plan: Plan, place: Workspace, choice: GeneratorChoice) -> None:
        gpus = gpu_share(plan, choice)
        size = pool_size(plan, choice, gpus)
        actor = ray.remote(num_cpus=choice.cpus, num_gpus=gpus, max_restarts=-1)(GeneratorActor)
        device = "cuda" if gpus else "cpu"
        self._actors = [actor.remote(place, device) for _ in range(size)]
        self._free = deque(self._actors * AHEAD)
        self._busy: dict[Any, tuple[Any, SampleRequest]] = {}
        self._deaths: Counter[tuple[str, int]] = Counter()
        self.slots = len(self._free)

    def submit(self, request: SampleRequest) -> None:
        """Give the request to the actor that has waited longest."""
        actor = self._free.popleft()
        self._busy[actor.make.remote(request)] = (actor, request)

    def collect(self) -> list[ChunkResult]:
        """Wait for at least one chunk, and return all that are done."""
        done: list[ChunkResult] = []
        while not done:
            ray.wait(list(self._busy), num_returns=1)
            ready, _ = ray.wait(list(self._busy), num_returns=len(self._busy), timeout=0)
            done = [result for ref in ready if (result := self._finish(ref))]
        return done

    def _finish(self, ref: Any) -> ChunkResult | None:
        actor, request = self._busy.pop(ref)
        self._free.append(actor)
        try:
            return cast(ChunkResult, ray.get(ref))
        except RayTaskError as error:
            cause = _cause(error)
            if isinstance(cause, MakeweightError):
                raise cause from None
            raise GeneratorError(f"class {request.stratum!r}, chunk {request.chunk}: {cause!r}") from error
        except (RayActorError, OutOfMemoryError) as error:
            self._deaths[request.stratum, request.chunk] += 1
            if self._deaths[request.stratum, request.chunk] >= DEATHS:
                problem = f"{DEATHS} actors died on it, the last with: {_told(error)}"
                raise GeneratorError(f"class {request.stratum!r}, chunk {request.chunk}: {problem}") from error
            self.submit(request)
            return None

    def close(self) -> None:
        """End the actors; chunks that are under way are dropped, unless they are staged already."""
        for actor in self._actors:
            ray.kill(actor)


def _told(error: Exception) -> str:
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


@contextmanager
def open_pool(plan: Plan, place: Workspace, choice: GeneratorChoice) -> Iterator[GeneratorPool]:
    """Open the actors for as long as the block lasts."""
    pool = GeneratorPool(plan, place, choice)
    try:
        yield pool
    finally:
        pool.close()
