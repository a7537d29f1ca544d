"""Ray: how a cluster is reached, tasks for the heavy steps, and the actor that fits. Actors that make: `pool.py`."""

import math
import os
import re
import secrets
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from threading import Condition, current_thread, main_thread
from types import MappingProxyType
from typing import Any, Self, TypeVar, cast

import ray
from ray._private import ray_constants, services
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError

from generators.base import TrainingProgress
from pipelines.engine.reach import joining_explained, refuse_unreachable, seconds_for_nodes
from pipelines.fit.fitting import KeptTraining, fit_generator, training_folder
from pipelines.plan.machine import ADDRESS, AUTO, cluster_address
from pipelines.plan.registry import generator_class
from pipelines.source.ingest import ingested
from pipelines.storage.again import is_transient
from pipelines.storage.ready import why_unwritable
from pipelines.storage.workspace import Workspace, plan_hash
from schemas.errors import Fault, GeneratorError, MakeweightError, SpecError
from schemas.plan import Plan, Stratum
from schemas.spec import GeneratorChoice

R = TypeVar("R")
LOCAL: dict[str, Any] = {
    "address": "local",  # else Ray joins a cluster that somebody started on this machine
    "include_dashboard": False,
    "_system_config": {"idle_worker_killing_time_threshold_ms": 600_000},
}
"""How Ray runs on this machine: processes of one step wait for the next, since starting one takes seconds."""
DASHBOARD = "MAKEWEIGHT_RAY_DASHBOARD"
"""The environment variable that, set to 1, gives Ray on this machine its dashboard."""
DEATHS = 3
"""How many actors may die or hang on one request, or die on one fit, before it is given up."""
WATCHED = 1.0
"""Seconds from one look at a training to the next."""
GONE = 60.0
"""Seconds that an actor has to be gone after it was killed."""
START = 900.0
"""Seconds that a build waits while no actor is up, unless it is told how long a growing cluster takes."""


@dataclass
class _Engine:
    """The Ray of this process, which all its builds share: the first one starts it, the last one ends it.

    `ours` says that a build started it, `cpus` how many it was started with, if it is on this machine alone. Its
    processes are killed when the thread ends that started them (Linux's PR_SET_PDEATHSIG): one that lasts is `starter`.
    """

    builds: int = 0
    ours: bool = False
    cpus: int | None = None
    dashboard: str | None = None
    starter: ThreadPoolExecutor | None = None
    changed: Condition = field(default_factory=Condition)

    def enter(self, choice: GeneratorChoice) -> None:
        with self.changed:
            # one node does not grow: a build that asks for more than it was started with waits for its end
            self.changed.wait_for(lambda: not self.builds or self.cpus is None or _cpus(choice) <= self.cpus)
            if not self.builds:
                self._open(choice)
            self.builds += 1

    def _open(self, choice: GeneratorChoice) -> None:
        self.ours, self.cpus, self.dashboard = not ray.is_initialized(), None, None
        if not self.ours:
            return
        address = cluster_address()
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # what two actors fail of is told once, by us
        with _sigterm_kept():
            context = self._start_lastingly(lambda: _join(address) if address else _start(choice))
        self.cpus = None if address else _cpus(choice)
        self.dashboard = f"http://{context.dashboard_url}" if context.dashboard_url else None

    def _start_lastingly(self, start: Callable[[], Any]) -> Any:
        if current_thread() is main_thread():
            return start()
        self.starter = ThreadPoolExecutor(1, "makeweight-ray")
        try:
            return self.starter.submit(start).result()
        except BaseException:
            self._let_go()
            raise

    def leave(self) -> None:
        with self.changed:
            self.builds -= 1
            try:
                if self.ours and not self.builds:
                    ray.shutdown()
                    self._let_go()
            finally:
                self.changed.notify_all()

    def _let_go(self) -> None:
        if self.starter:
            self.starter.shutdown()
        self.starter = None


_engine = _Engine()


@contextmanager
def cluster(choice: GeneratorChoice) -> Iterator[str | None]:
    """Join the cluster that RAY_ADDRESS names, or start Ray on this machine for as long as the block lasts.

    Gives the address of Ray's dashboard, if it has one. Builds in several threads share it, and it ends with the last
    of them; one that was there before any stays.
    """
    _engine.enter(choice)
    try:
        yield _engine.dashboard
    finally:
        _engine.leave()


def shared() -> bool:
    """Whether another build of this process may have the places that this one waits for."""
    return _engine.builds > 1


def _cpus(choice: GeneratorChoice) -> int:
    """Return how many CPUs Ray on this machine is to have for this build."""
    return max(os.cpu_count() or 1, math.ceil((choice.actors or 1) * choice.cpus))


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Leave SIGTERM to whoever heard it before: Ray's own handler, put in its place, ends the process where it is."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if callable(before) and current_thread() is main_thread():
            signal.signal(signal.SIGTERM, before)


def _start(choice: GeneratorChoice) -> Any:
    local = {"num_cpus": _cpus(choice), **LOCAL, "include_dashboard": _dashboard()}
    _stay_within()
    _need_no_home()
    return ray.init(log_to_driver=False, logging_level="ERROR", **local)


def _join(address: str) -> Any:
    """Join a cluster, or say within seconds why that cannot be."""
    try:
        place = services.canonicalize_bootstrap_address(AUTO) if address == AUTO else address
    except ConnectionError:
        problem = f"{ADDRESS} is auto, but no Ray cluster runs on this machine"
        raise MakeweightError(f"{problem}; start one, or unset {ADDRESS}") from None
    refuse_unreachable(place)
    if not services.find_node_ids():
        raise MakeweightError(
            f"a Ray cluster answers at {place}, but none of its nodes runs on this machine, and a build joins by the"
            f" node beside it; run `ray start --address={place} --num-cpus=0` here first"
        )
    with joining_explained(place):
        context = ray.init(address=place, log_to_driver=False, logging_level="ERROR")
    if room(1, 0) or seconds_for_nodes():
        return context
    ray.shutdown()
    raise MakeweightError(f"the Ray cluster at {place} has no node with a CPU to work on; add one")


def _dashboard() -> bool:
    """Whether Ray on this machine is to have its dashboard, which needs packages of its own and some time to start."""
    if os.environ.get(DASHBOARD, "0") in ("0", ""):
        return False
    if any(find_spec(package) is None for package in ("aiohttp", "aiohttp_cors", "grpc", "opencensus")):
        problem = f"the environment variable {DASHBOARD} asks for Ray's dashboard, but its packages are missing"
        raise SpecError(Fault((), f"{problem}; pip install 'ray[default]', or unset it"))
    return True


def _stay_within() -> None:
    """Let Ray answer on the loopback interface alone, unless its own setting says otherwise.

    Whoever reaches its ports may run code. It has this switch for systems where it makes no clusters, and reads it once
    when it is imported; the processes that it starts read it from the environment.
    """
    if ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR not in os.environ:
        os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = "0"
        ray_constants.ENABLE_RAY_CLUSTER = False


def _need_no_home() -> None:
    """Give Ray a token in the environment where the home cannot hold the one that it would write there."""
    if any(name in os.environ for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")):
        return
    kept = os.path.expanduser("~/.ray")
    if not os.path.exists(os.path.join(kept, "auth_token")) and why_unwritable(kept):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def run(function: Callable[..., R], *args: Any) -> R:
    """Run one step as a Ray task, away from the driver, and return what it returns."""
    return cast(R, _get(ray.remote(num_cpus=1, max_retries=DEATHS)(function).remote(*args)))


def run_all(
    function: Callable[..., R],
    calls: Iterable[Sequence[Any]],
    meanwhile: Callable[[], None] = lambda: None,
    where: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[R]:
    """Run a function on each tuple of arguments as Ray tasks; yield the results in order.

    Hardly more are under way than there are CPUs, so that finished results do not pile up. `meanwhile` is called now
    and then while it waits. `where` holds Ray's options for the place.
    """
    task = ray.remote(num_cpus=1, max_retries=DEATHS, **where)(function)
    ahead = max(2, int(ray.cluster_resources().get("CPU", 1)) + 1)
    pending: deque[Any] = deque()
    try:
        for args in calls:
            pending.append(task.remote(*args))
            if len(pending) >= ahead:
                yield _awaited(pending.popleft(), meanwhile)
        while pending:
            yield _awaited(pending.popleft(), meanwhile)
    finally:
        if ray.is_initialized():  # a step that is tried again would meet what is left at the same files
            for ref in pending:
                ray.cancel(ref, force=True)


def _awaited(ref: Any, meanwhile: Callable[[], None]) -> Any:
    while not ray.wait([ref], timeout=WATCHED)[0]:
        meanwhile()
    return _get(ref)


def _get(ref: Any) -> Any:
    try:
        return ray.get(ref)
    except RayTaskError as error:
        raise cause_of(error) from None


def lost(error: BaseException) -> bool:
    """Whether a node, an actor or an object was lost, rather than something raised in a task."""
    return isinstance(error, RayError) and not isinstance(error, RayTaskError)


def cause_of(error: RayTaskError) -> BaseException:
    """Return the exception that was raised in the task, without the wrapping that Ray puts around it."""
    cause = error.cause
    return cause if isinstance(cause, Exception) else error


def raised(error: RayTaskError) -> str:
    """Return in one line what was raised in an actor, and where in the code."""
    cause = cause_of(error)
    frames = re.findall(r'File "([^"]+)", line (\d+), in (\S+)', str(error))
    place = f" ({os.path.basename(frames[-1][0])}, line {frames[-1][1]}, in {frames[-1][2]})" if frames else ""
    return f"{told(cast(Exception, error)) if cause is error else repr(cause)}{place}"


class FittingActor:
    """A Ray actor that fits the generator, and says meanwhile how far it is."""

    def __init__(self, place: Workspace, plan: str) -> None:
        """Take the build's folder, and the hash of the plan that lies there."""
        self._place, self._told = place, plan
        self._training: KeptTraining | None = None

    def fit(self) -> None:
        """Fit the generator and save it; an actor that takes a dead one's place goes on where that was."""
        plan = self._place.plan(self._told)  # not in the constructor: an exception there would lose its message
        self._training = KeptTraining(training_folder(plan, self._place.models))
        fit_generator(plan, ingested(self._place.real), self._place.models, self._training)

    def progress(self) -> TrainingProgress | None:
        """Return what the training reported last."""
        return self._training.progress if self._training else None


class Fitting:
    """The fit of a generator, under way on an actor with its share of a GPU, which ends with the block."""

    def __init__(
        self, plan: Plan, place: Workspace, gpus: float, where: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        options = {**where, "max_concurrency": 2, "max_restarts": DEATHS - 1, "max_task_retries": DEATHS - 1}
        cpus = 0 if room(1, 0) == 1 else 1  # the only CPU is for the validators, which are fitted meanwhile
        self._actor = ray.remote(num_cpus=cpus, num_gpus=gpus, **options)(FittingActor).remote(place, plan_hash(plan))
        self._name = plan.generator.name
        self._fit = self._actor.fit.remote()
        self._gpus, self._answered, self._asked_at = gpus, False, time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the actor, however the block ended; a step that is tried again finds nobody at its files."""
        ray.cancel(self._fit)  # else Ray says on the terminal that it will be retried
        ray.kill(self._actor)
        if kind and issubclass(kind, Exception):
            ray.wait([self._fit], timeout=GONE)

    def wait(self, heard: Callable[[TrainingProgress], None]) -> None:
        """Wait for the end, and tell meanwhile how far it is; what the fit raises is raised here."""
        last = None
        while not ray.wait([self._fit], timeout=WATCHED)[0]:
            now = self._progress()
            self._refuse_late()
            if now and now != last:
                heard(now)
                last = now
        try:
            ray.get(self._fit)
        except RayTaskError as error:
            cause = cause_of(error)
            if isinstance(cause, MakeweightError) or is_transient(cause):
                raise cause from None
            raise GeneratorError(f"generator {self._name!r} could not be fitted: {raised(error)}") from error
        except (RayActorError, OutOfMemoryError) as error:
            problem = f"the fit of {self._name!r} died {DEATHS} times, the last with: {told(error)}"
            raise GeneratorError(f"{problem}; give it more memory, or a smaller model") from error

    def give_way(self) -> None:
        """Give the CPU and the GPU back if the fit is at its end: what it is waited for with may need them."""
        if ray.wait([self._fit], timeout=0)[0]:
            ray.kill(self._actor)

    def _progress(self) -> TrainingProgress | None:
        asked = self._actor.progress.remote()
        ready, _ = ray.wait([self._fit, asked], timeout=WATCHED)  # the fit's end is not kept waiting for an answer
        self._answered |= bool(ready)
        try:
            return cast(TrainingProgress | None, ray.get(asked)) if asked in ready else None
        except RayActorError:
            return None  # another one takes its place

    def _refuse_late(self) -> None:
        """Raise GeneratorError if there is no room for the actor, and has not been for long."""
        limit = seconds_for_nodes() or START
        if shared():
            self._asked_at = time.monotonic()
        if self._answered or time.monotonic() - self._asked_at < limit:
            return
        raise GeneratorError(
            f"the fit asks for 1 CPU and {self._gpus:g} GPU and got no place within {limit:g} s; free in the cluster:"
            f" {free()}; make room and run the same command again, finished work is kept"
        )


def told(error: Exception) -> str:
    """Return what Ray says of a dead actor, short: its first line, and the last, where the cause stands."""
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines() if line.strip()]
    return " … ".join(dict.fromkeys([lines[0], lines[-1]])) if lines else type(error).__name__


def gpu_share(plan: Plan, choice: GeneratorChoice) -> float:
    """Return the share of a GPU that an actor takes: the spec's, or a whole one if the model gains from it."""
    if choice.gpus is not None:
        return choice.gpus
    there = ray.cluster_resources().get("GPU", 0)
    return 1.0 if there and generator_class(plan.generator.name).capabilities.uses_gpu else 0.0


def free() -> str:
    """Return in words what of the cluster nobody uses."""
    there = ray.available_resources()
    return f"{there.get('CPU', 0):g} CPU and {there.get('GPU', 0):g} GPU"


def room(cpus: float, gpus: float) -> int:
    """Return how many actors of that size the nodes of the cluster hold; each lies on one node whole."""
    return sum(room_on(node, cpus, gpus) for node in ray.nodes() if node["Alive"])


def room_on(node: dict[str, Any], cpus: float, gpus: float) -> int:
    """Return how many actors of that size one of the cluster's nodes holds, as `ray.nodes` tells of it."""
    there = node["Resources"]
    fits = int(there.get("CPU", 0) / cpus + 1e-9)
    return min(fits, int(there.get("GPU", 0) / gpus + 1e-9)) if gpus else fits


def device_name(gpus: float) -> str:
    """Return what an actor with that share of a GPU runs on: `cpu`, or the GPU's kind as Ray names it."""
    kinds = [name.partition(":")[2] for name in ray.cluster_resources() if name.startswith("accelerator_type:")]
    return "cpu" if not gpus else next(iter(kinds), "gpu")


def pool_size(plan: Plan, choice: GeneratorChoice, gpus: float) -> int:
    """Return how many actors to open: the spec's number, or as many as fit; never more than there are chunks.

    Raises SpecError if the cluster cannot hold what was asked for, rather than wait for it for ever. One that grows on
    demand is given its time.
    """
    fits = room(choice.cpus, gpus)
    if (choice.actors or 1) > fits and not seconds_for_nodes():
        asked = f"{choice.actors or 1} actor(s) of {choice.cpus:g} CPU and {gpus:g} GPU"
        there = ray.cluster_resources()
        has = f"{there.get('CPU', 0):g} CPU and {there.get('GPU', 0):g} GPU"
        held = f", which hold {fits} of them" if fits else ""
        problem = f"asks for {asked}, but there are {has}{held}; lower actors, cpus or gpus"
        raise SpecError(Fault(("generator",), problem))
    return wanted_actors(plan, choice, fits)


def _to_make(stratum: Stratum) -> int:
    """Return how many chunks a class seems to need; one that was made by an earlier version is hardly any work."""
    return max(0, -(-stratum.make // stratum.chunk_rows) - stratum.carried) + -(-stratum.carried // 16)


def wanted_actors(plan: Plan, choice: GeneratorChoice, fits: int, up: int = 0) -> int:
    """Return how many actors a build has use for, of which `fits` have their place now and `up` are at work.

    A cluster that grows on demand grows for actors without a place: there are always some while those before came up.
    """
    most = max(1, fits, 2 * up if seconds_for_nodes() else 0)
    chunks = sum(_to_make(stratum) for stratum in plan.strata)
    return max(1, min(choice.actors or most, chunks))
