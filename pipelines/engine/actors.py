"""Ray: joins or starts a cluster, runs heavy steps as tasks, and fits a generator on an actor. Chunks: `pool.py`."""

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
from pipelines.engine.cluster import explain_join_errors, refuse_unreachable, seconds_for_nodes
from pipelines.fit.fitting import KeptTraining, fit_generator, training_folder
from pipelines.plan.machine import ADDRESS, AUTO, cluster_address
from pipelines.plan.registry import generator_class
from pipelines.source.ingest import ingested
from pipelines.storage.retries import is_transient
from pipelines.storage.workspace import Workspace, plan_hash
from pipelines.storage.writable import why_unwritable
from schemas.errors import Fault, GeneratorError, MakeweightError, SpecError
from schemas.plan import Plan, Stratum
from schemas.spec import GeneratorChoice

R = TypeVar("R")
LOCAL: dict[str, Any] = {
    "address": "local",  # else Ray joins a cluster that somebody started on this machine
    "include_dashboard": False,
    "_system_config": {"idle_worker_killing_time_threshold_ms": 600_000},
}
"""Ray's settings on this machine. Worker processes outlive a step, since starting one takes seconds."""
DASHBOARD = "MAKEWEIGHT_RAY_DASHBOARD"
"""The environment variable that, set to 1, starts Ray's dashboard on this machine."""
DEATHS = 3
"""Deaths of actors on one request or one fit, after which the build gives up; a hang counts as a death."""
WATCHED = 1.0
"""Seconds between two checks of a training."""
GONE = 60.0
"""Seconds to wait for the end of an actor that was killed."""
START = 900.0
"""Seconds that a build waits for its first actor, unless `reach.NODES` sets the time for a growing cluster."""


@dataclass
class _Engine:
    """The Ray of this process, shared by all its builds: the first build starts it, the last one ends it.

    `ours` says that a build started it. `cpus` is the number of CPUs that it was started with, if it runs on this
    machine alone. Ray's processes are killed when the thread that started them ends (Linux's PR_SET_PDEATHSIG), so the
    thread `starter` lasts until the end.
    """

    builds: int = 0
    ours: bool = False
    cpus: int | None = None
    dashboard: str | None = None
    starter: ThreadPoolExecutor | None = None
    changed: Condition = field(default_factory=Condition)

    def enter(self, choice: GeneratorChoice) -> None:
        with self.changed:
            # a local Ray cannot grow: a build that needs more CPUs than it has waits until it ends
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
        os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # we report an error of two actors once
        with _keep_sigterm_handler():
            context = self._start_in_lasting_thread(lambda: _join_address(address) if address else _start_ray(choice))
        self.cpus = None if address else _cpus(choice)
        self.dashboard = f"http://{context.dashboard_url}" if context.dashboard_url else None

    def _start_in_lasting_thread(self, start: Callable[[], Any]) -> Any:
        if current_thread() is main_thread():
            return start()
        self.starter = ThreadPoolExecutor(1, "makeweight-ray")
        try:
            return self.starter.submit(start).result()
        except BaseException:
            self._end_starter()
            raise

    def leave(self) -> None:
        with self.changed:
            self.builds -= 1
            try:
                if self.ours and not self.builds:
                    ray.shutdown()
                    self._end_starter()
            finally:
                self.changed.notify_all()

    def _end_starter(self) -> None:
        if self.starter:
            self.starter.shutdown()
        self.starter = None


_engine = _Engine()


@contextmanager
def join_cluster(choice: GeneratorChoice) -> Iterator[str | None]:
    """Join the cluster that RAY_ADDRESS names, or start Ray on this machine, for as long as the block lasts.

    Yields the address of Ray's dashboard, if it has one. Builds in several threads share one Ray, which ends with the
    last of them. A Ray that this process had before its first build is kept.
    """
    _engine.enter(choice)
    try:
        yield _engine.dashboard
    finally:
        _engine.leave()


def is_shared() -> bool:
    """Whether another build of this process shares Ray, and may hold the CPUs that this one waits for."""
    return _engine.builds > 1


def _cpus(choice: GeneratorChoice) -> int:
    """Return the number of CPUs that a local Ray needs for this build."""
    return max(os.cpu_count() or 1, math.ceil((choice.actors or 1) * choice.cpus))


@contextmanager
def _keep_sigterm_handler() -> Iterator[None]:
    """Restore the handler of SIGTERM after the block: Ray's own handler would end the process at once."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if callable(before) and current_thread() is main_thread():
            signal.signal(signal.SIGTERM, before)


def _start_ray(choice: GeneratorChoice) -> Any:
    local = {"num_cpus": _cpus(choice), **LOCAL, "include_dashboard": _wants_dashboard()}
    _bind_to_loopback()
    _set_token_without_home()
    return ray.init(log_to_driver=False, logging_level="ERROR", **local)


def _join_address(address: str) -> Any:
    """Join the cluster at an address; raises MakeweightError within seconds if that cannot be."""
    try:
        head = services.canonicalize_bootstrap_address(AUTO) if address == AUTO else address
    except ConnectionError:
        problem = f"{ADDRESS} is auto, but no Ray cluster runs on this machine"
        raise MakeweightError(f"{problem}; start one, or unset {ADDRESS}") from None
    refuse_unreachable(head)
    if not services.find_node_ids():
        raise MakeweightError(
            f"a Ray cluster answers at {head}, but none of its nodes runs on this machine, and a build joins by the"
            f" node beside it; run `ray start --address={head} --num-cpus=0` here first"
        )
    with explain_join_errors(head):
        context = ray.init(address=head, log_to_driver=False, logging_level="ERROR")
    if cluster_capacity(1, 0) or seconds_for_nodes():
        return context
    ray.shutdown()
    raise MakeweightError(f"the Ray cluster at {head} has no node with a CPU to work on; add one")


def _wants_dashboard() -> bool:
    """Whether to start Ray's dashboard, which takes time; raises SpecError if its packages are missing."""
    if os.environ.get(DASHBOARD, "0") in ("0", ""):
        return False
    if any(find_spec(package) is None for package in ("aiohttp", "aiohttp_cors", "grpc", "opencensus")):
        problem = f"the environment variable {DASHBOARD} asks for Ray's dashboard, but its packages are missing"
        raise SpecError(Fault((), f"{problem}; pip install 'ray[default]', or unset it"))
    return True


def _bind_to_loopback() -> None:
    """Let Ray listen on the loopback interface only, unless the user set Ray's own variable.

    Whoever reaches Ray's ports may run code. Ray has this switch for systems on which it supports no clusters. It reads
    the switch once, when it is imported; the processes that it starts read it from the environment.
    """
    if ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR not in os.environ:
        os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = "0"
        ray_constants.ENABLE_RAY_CLUSTER = False


def _set_token_without_home() -> None:
    """Give Ray a token by the environment if the home folder, where Ray keeps its own, cannot be written."""
    if any(name in os.environ for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")):
        return
    kept = os.path.expanduser("~/.ray")
    if not os.path.exists(os.path.join(kept, "auth_token")) and why_unwritable(kept):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def run(function: Callable[..., R], *args: Any) -> R:
    """Run a function as a Ray task, and return its result.

    Example: `run(ingest, source, plan, folder)`.
    """
    return cast(R, _get_result(ray.remote(num_cpus=1, max_retries=DEATHS)(function).remote(*args)))


def run_all(
    function: Callable[..., R],
    calls: Iterable[Sequence[Any]],
    meanwhile: Callable[[], None] = lambda: None,
    where: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[R]:
    """Run a function on each tuple of arguments as Ray tasks; yield the results in the order of the calls.

    One or two more tasks than CPUs are under way, so that results do not pile up. `meanwhile` is called about once a
    second while it waits. `where` holds Ray's options that say on which node the tasks run.
    """
    task = ray.remote(num_cpus=1, max_retries=DEATHS, **where)(function)
    ahead = max(2, int(ray.cluster_resources().get("CPU", 1)) + 1)
    pending: deque[Any] = deque()
    try:
        for args in calls:
            pending.append(task.remote(*args))
            if len(pending) >= ahead:
                yield _wait_for_result(pending.popleft(), meanwhile)
        while pending:
            yield _wait_for_result(pending.popleft(), meanwhile)
    finally:
        if ray.is_initialized():  # tasks that are left would write the same files as the next try of the step
            for ref in pending:
                ray.cancel(ref, force=True)


def _wait_for_result(ref: Any, meanwhile: Callable[[], None]) -> Any:
    while not ray.wait([ref], timeout=WATCHED)[0]:
        meanwhile()
    return _get_result(ref)


def _get_result(ref: Any) -> Any:
    try:
        return ray.get(ref)
    except RayTaskError as error:
        raise cause_of(error) from None


def is_lost(error: BaseException) -> bool:
    """Whether Ray lost a node, an actor or an object; False for what a task raised."""
    return isinstance(error, RayError) and not isinstance(error, RayTaskError)


def cause_of(error: RayTaskError) -> BaseException:
    """Return the exception that a task raised, without Ray's wrapping."""
    cause = error.cause
    return cause if isinstance(cause, Exception) else error


def describe_raised(error: RayTaskError) -> str:
    """Return the exception that an actor raised, and its line in the code, as one line of text."""
    cause = cause_of(error)
    frames = re.findall(r'File "([^"]+)", line (\d+), in (\S+)', str(error))
    location = f" ({os.path.basename(frames[-1][0])}, line {frames[-1][1]}, in {frames[-1][2]})" if frames else ""
    return f"{shorten_error(cast(Exception, error)) if cause is error else repr(cause)}{location}"


class FittingActor:
    """A Ray actor that fits the generator, and reports its progress meanwhile."""

    def __init__(self, workspace: Workspace, plan: str) -> None:
        """Set the workspace, and the SHA-256 of the plan in it."""
        self._workspace, self._plan_hash = workspace, plan
        self._training: KeptTraining | None = None

    def fit(self) -> None:
        """Fit the generator and save it; an actor that replaces a dead one goes on from its last checkpoint."""
        plan = self._workspace.plan(self._plan_hash)  # an exception in the constructor would lose its message
        self._training = KeptTraining(training_folder(plan, self._workspace.models))
        fit_generator(plan, ingested(self._workspace.real), self._workspace.models, self._training)

    def progress(self) -> TrainingProgress | None:
        """Return the last progress of the training, or None."""
        return self._training.progress if self._training else None


class Fitting:
    """A fit that runs on an actor with a share of a GPU; the actor ends with the block.

    Example: `with Fitting(plan, place, gpus=0) as fitting: fitting.wait(print)`.
    """

    def __init__(
        self, plan: Plan, workspace: Workspace, gpus: float, where: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        options = {**where, "max_concurrency": 2, "max_restarts": DEATHS - 1, "max_task_retries": DEATHS - 1}
        cpus = (
            0 if cluster_capacity(1, 0) == 1 else 1
        )  # a single CPU is left to the validators, which are fitted at the same time
        self._actor = ray.remote(num_cpus=cpus, num_gpus=gpus, **options)(FittingActor).remote(
            workspace, plan_hash(plan)
        )
        self._name = plan.generator.name
        self._fit = self._actor.fit.remote()
        self._gpus, self._answered, self._asked_at = gpus, False, time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the actor in any case, so that the next try of the step has its files to itself."""
        ray.cancel(self._fit)  # else Ray says on the terminal that it will be retried
        ray.kill(self._actor)
        if kind and issubclass(kind, Exception):
            ray.wait([self._fit], timeout=GONE)

    def wait(self, on_progress: Callable[[TrainingProgress], None]) -> None:
        """Wait for the end of the fit, and report its progress; raises what the fit raises."""
        last = None
        while not ray.wait([self._fit], timeout=WATCHED)[0]:
            now = self._progress()
            self._refuse_no_room()
            if now and now != last:
                on_progress(now)
                last = now
        try:
            ray.get(self._fit)
        except RayTaskError as error:
            cause = cause_of(error)
            if isinstance(cause, MakeweightError) or is_transient(cause):
                raise cause from None
            raise GeneratorError(f"generator {self._name!r} could not be fitted: {describe_raised(error)}") from error
        except (RayActorError, OutOfMemoryError) as error:
            problem = f"the fit of {self._name!r} died {DEATHS} times, the last with: {shorten_error(error)}"
            raise GeneratorError(f"{problem}; give it more memory, or a smaller model") from error

    def release_if_done(self) -> None:
        """Give CPU and GPU back if the fit is done: other tasks of the step may need them."""
        if ray.wait([self._fit], timeout=0)[0]:
            ray.kill(self._actor)

    def _progress(self) -> TrainingProgress | None:
        answer = self._actor.progress.remote()
        ready, _ = ray.wait([self._fit, answer], timeout=WATCHED)  # returns at the end of the fit, too
        self._answered |= bool(ready)
        try:
            return cast(TrainingProgress | None, ray.get(answer)) if answer in ready else None
        except RayActorError:
            return None  # Ray starts it again

    def _refuse_no_room(self) -> None:
        """Raise GeneratorError if the cluster has had no room for the actor for a long time."""
        limit = seconds_for_nodes() or START
        if is_shared():
            self._asked_at = time.monotonic()
        if self._answered or time.monotonic() - self._asked_at < limit:
            return
        raise GeneratorError(
            f"the fit asks for 1 CPU and {self._gpus:g} GPU and got no place within {limit:g} s; free in the cluster:"
            f" {describe_free()}; make room and run the same command again, finished work is kept"
        )


def shorten_error(error: Exception) -> str:
    """Return the first and the last line of Ray's message on a dead actor; the last one tells the cause."""
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines() if line.strip()]
    return " … ".join(dict.fromkeys([lines[0], lines[-1]])) if lines else type(error).__name__


def gpu_share(plan: Plan, choice: GeneratorChoice) -> float:
    """Return the GPUs of one actor: the spec's number, or 1 if there is a GPU and the generator uses one, else 0."""
    if choice.gpus is not None:
        return choice.gpus
    there = ray.cluster_resources().get("GPU", 0)
    return 1.0 if there and generator_class(plan.generator.name).capabilities.uses_gpu else 0.0


def describe_free() -> str:
    """Return in words the CPUs and GPUs of the cluster that are free."""
    there = ray.available_resources()
    return f"{there.get('CPU', 0):g} CPU and {there.get('GPU', 0):g} GPU"


def cluster_capacity(cpus: float, gpus: float) -> int:
    """Return how many actors of this size the cluster can hold; each actor needs its CPUs and GPUs on one node."""
    return sum(node_capacity(node, cpus, gpus) for node in ray.nodes() if node["Alive"])


def node_capacity(node: dict[str, Any], cpus: float, gpus: float) -> int:
    """Return how many actors of this size a node can hold; `node` is an entry of `ray.nodes()`."""
    there = node["Resources"]
    fits = int(there.get("CPU", 0) / cpus + 1e-9)
    return min(fits, int(there.get("GPU", 0) / gpus + 1e-9)) if gpus else fits


def device_name(gpus: float) -> str:
    """Return the device of an actor with this share of a GPU: `cpu`, or Ray's name of the kind of GPU."""
    kinds = [name.partition(":")[2] for name in ray.cluster_resources() if name.startswith("accelerator_type:")]
    return "cpu" if not gpus else next(iter(kinds), "gpu")


def choose_pool_size(plan: Plan, choice: GeneratorChoice, gpus: float) -> int:
    """Return how many actors to start: the spec's number, or as many as fit; never more than there are chunks.

    Raises SpecError if the cluster cannot hold the spec's number, unless the cluster grows on demand.
    """
    fits = cluster_capacity(choice.cpus, gpus)
    if (choice.actors or 1) > fits and not seconds_for_nodes():
        asked = f"{choice.actors or 1} actor(s) of {choice.cpus:g} CPU and {gpus:g} GPU"
        there = ray.cluster_resources()
        has = f"{there.get('CPU', 0):g} CPU and {there.get('GPU', 0):g} GPU"
        held = f", which hold {fits} of them" if fits else ""
        problem = f"asks for {asked}, but there are {has}{held}; lower actors, cpus or gpus"
        raise SpecError(Fault(("generator",), problem))
    return count_useful_actors(plan, choice, fits)


def _count_chunks_to_make(stratum: Stratum) -> int:
    """Return how many chunks a stratum needs about; 16 carried chunks are as little work as one new chunk."""
    return max(0, -(-stratum.make // stratum.chunk_rows) - stratum.carried) + -(-stratum.carried // 16)


def count_useful_actors(plan: Plan, choice: GeneratorChoice, fits: int, up: int = 0) -> int:
    """Return how many actors a build can use, of which `fits` fit into the cluster now and `up` are at work.

    A cluster that grows on demand grows for actors that do not fit yet. So there are always some, until those before
    are up.
    """
    most = max(1, fits, 2 * up if seconds_for_nodes() else 0)
    chunks = sum(_count_chunks_to_make(stratum) for stratum in plan.strata)
    return max(1, min(choice.actors or most, chunks))
