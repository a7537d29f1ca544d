"""The pool of Ray actors that make chunks. An actor that dies or hangs costs time, but never a row.

The number of actors follows the cluster: nodes that join while a build runs get actors, and actors of nodes that left
are dropped.

The driver gives each actor two requests: one to work on, and the next. An actor serves its calls in order. So it works
on its first open call, whose time counts from the end of the call before.
"""

import platform
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import ray
from ray.exceptions import ObjectLostError, OutOfMemoryError, RayActorError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipelines.engine.actors import (
    DEATHS,
    START,
    cause_of,
    choose_pool_size,
    cluster_capacity,
    count_useful_actors,
    describe_free,
    describe_raised,
    gpu_share,
    is_shared,
    shorten_error,
)
from pipelines.engine.cluster import seconds_for_nodes
from pipelines.fill.chunk import ChunkMaker
from pipelines.fill.loop import ChunkResult
from pipelines.fit.fitting import load_generator, load_validators
from pipelines.plan.machine import OtherMachineError, refuse_other_machine
from pipelines.storage.folder import is_uri
from pipelines.storage.workspace import Workspace, plan_hash
from schemas.errors import GeneratorError, MakeweightError, OutputError
from schemas.plan import Plan, SampleRequest
from schemas.spec import GeneratorChoice

AHEAD = 2
"""Requests of each actor: it works on one, and the other waits, so that it never idles."""
LOOK = 1.0
"""Seconds between two checks of the deadline, and between two questions whether an actor is up."""
FOLLOW = 5.0
"""Seconds between two checks of the cluster's size."""
LOOKED_AT = 8
"""How many of a cluster's other nodes are asked at most whether they see this node's files."""
LOST = (RayActorError, OutOfMemoryError, ObjectLostError)
"""Ray's errors for an actor that died, or whose node was lost with its results."""


class GeneratorActor:
    """A Ray actor that loads the fitted generator and validators once, and makes chunks with them."""

    def __init__(self, workspace: Workspace, plan: str, device: str) -> None:
        """Set the workspace, the SHA-256 of the plan in it, and the device of the model."""
        self._workspace, self._plan_hash, self._device = workspace, plan, device
        self._made: ChunkMaker | None = None

    @property
    def _maker(self) -> ChunkMaker:
        if self._made is None:  # no cached_property: its lock is one for all actors of a process in Python 3.11
            self._made = self._load()
        return self._made

    def _load(self) -> ChunkMaker:
        # not in the constructor: an exception there would kill the actor, and its message with it
        plan = self._workspace.plan(self._plan_hash)
        refuse_other_machine(plan)
        generator, parents = load_generator(plan, self._workspace.models, self._device)
        validators = load_validators(plan, self._workspace)
        return ChunkMaker(plan, generator, validators, parents, self._workspace.staged, self._workspace.carried)

    def up(self) -> bool:
        """Return whether the actor is on the build's kind of machine; any answer says that the actor is up."""
        try:
            refuse_other_machine(self._workspace.plan())
        except OtherMachineError:
            return False
        return True

    def make(self, request: SampleRequest) -> ChunkResult:
        """Make a chunk, stage its rows, and return its counts and sketches."""
        return self._maker.make(request)


@dataclass(eq=False)
class _Worker:
    """One actor as the driver sees it.

    `up` says that it has answered since its last start; `asked` is the open question whether it is up. A `foreign`
    actor runs on another kind of machine: it gets no work, and keeps its node from getting another actor. `calls` are
    its requests; it has worked on the first one since `since` (seconds, monotonic).
    """

    actor: Any
    up: bool = False
    foreign: bool = False
    asked: Any = None
    calls: deque[tuple[Any, SampleRequest]] = field(default_factory=deque)
    since: float = 0.0

    @property
    def open(self) -> bool:
        return self.up and not self.foreign and len(self.calls) < AHEAD

    def give(self, request: SampleRequest) -> None:
        if not self.calls:
            self.since = time.monotonic()
        self.calls.append((self.actor.make.remote(request), request))

    def take(self) -> tuple[Any, SampleRequest]:
        """Remove the first call and return it; the next one begins now."""
        self.since = time.monotonic()
        return self.calls.popleft()

    def refs(self) -> list[Any]:
        return [ref for ref, _ in self.calls] + ([self.asked] if self.asked is not None else [])

    def ask(self) -> None:
        """Ask the actor whether it is up, unless it was asked within the last second."""
        if self.up or self.asked is not None or time.monotonic() - self.since < LOOK:
            return
        self.since = time.monotonic()
        self.asked = self.actor.up.remote()


class GeneratorPool:
    """Ray actors that serve requests; it has the methods of `fill.loop.Pool`.

    Ray starts a dead actor again. An actor that exceeds the deadline of a request is killed. Its requests are given to
    other actors that are up. Only the request that it worked on is charged with the failure; the build fails when
    `DEATHS` actors die or hang on one request. An exception of the generator is not retried, since it would be raised
    again. `remade` counts chunks that were staged before, and were found damaged.
    """

    def __init__(self, plan: Plan, workspace: Workspace, choice: GeneratorChoice) -> None:
        gpus = gpu_share(plan, choice)
        self._plan, self._choice, self._gpus = plan, choice, gpus
        actor = ray.remote(num_cpus=choice.cpus, num_gpus=gpus, max_restarts=-1)(GeneratorActor)
        self._open = partial(actor.remote, workspace, plan_hash(plan), "cuda" if gpus else "cpu")
        self._workers: list[_Worker] = []
        self.remade = 0
        self._waiting: deque[SampleRequest] = deque()
        self._failures: Counter[tuple[str, int]] = Counter()
        self._deadline = choice.deadline_seconds
        self._up_last = self._looked = time.monotonic()
        self._resize(choose_pool_size(plan, choice, gpus))

    @property
    def actors(self) -> int:
        """The number of actors, also of those that wait for free CPUs."""
        return len(self._workers)

    def submit(self, request: SampleRequest) -> None:
        """Give the request to an actor that is up and can take one, or keep it until there is one."""
        self._waiting.append(request)
        self._hand_out()

    def collect(self) -> list[ChunkResult]:
        """Wait for at least one chunk, and return all chunks that are done.

        Raises GeneratorError for a request that cannot be served, and when no actor is up for `START` seconds.
        """
        done: list[ChunkResult] = []
        while not done:
            ready = self._wait()
            for worker in self._workers:
                done += self._collect_from(worker, ready)
                self._note_answer(worker, ready)
                if worker.calls and time.monotonic() - worker.since > self._deadline:
                    self._kill_late(worker)
            self._follow_cluster()
            self._hand_out()
            self._refuse_no_actors()
        return done

    def close(self) -> None:
        """End the actors. Chunks under way are dropped, unless they are staged already."""
        for worker in self._workers:
            ray.kill(worker.actor)

    def _follow_cluster(self) -> None:
        """Adapt the number of actors to the cluster, every `FOLLOW` seconds."""
        if time.monotonic() - self._looked < FOLLOW:
            return
        self._looked = time.monotonic()
        fits = cluster_capacity(self._choice.cpus, self._gpus)
        up = sum(worker.up for worker in self._workers)
        self._resize(count_useful_actors(self._plan, self._choice, fits, up))

    def _resize(self, wanted: int) -> None:
        """Start missing actors, or end surplus ones that are not up."""
        self._workers += [_Worker(self._open()) for _ in range(wanted - len(self._workers))]
        idle = [worker for worker in self._workers if not worker.up and not worker.calls]
        for worker in idle[: max(0, len(self._workers) - wanted)]:
            ray.kill(worker.actor)
            self._workers.remove(worker)
        self.slots = len(self._workers) * AHEAD

    def _hand_out(self) -> None:
        while self._waiting and (open_ := [worker for worker in self._workers if worker.open]):
            min(open_, key=lambda worker: len(worker.calls)).give(self._waiting.popleft())

    def _wait(self) -> set[Any]:
        """Return the calls that are answered; wait for a second if there are none."""
        for worker in self._workers:
            worker.ask()
        refs = [ref for worker in self._workers for ref in worker.refs()]
        if not refs:
            time.sleep(LOOK)
            return set()
        ray.wait(refs, num_returns=1, timeout=LOOK)
        return set(ray.wait(refs, num_returns=len(refs), timeout=0)[0])

    def _collect_from(self, worker: _Worker, ready: set[Any]) -> list[ChunkResult]:
        """Return the chunks that this actor has finished."""
        done: list[ChunkResult] = []
        while worker.calls and worker.calls[0][0] in ready:
            ref, request = worker.take()
            try:
                done.append(cast(ChunkResult, ray.get(ref)))
                self.remade += done[-1].remade
            except RayTaskError as error:
                if not isinstance(cause_of(error), OtherMachineError):
                    raise self._request_error(request, error) from error
                worker.foreign = True  # Ray started it again, on another node
                self._requeue(worker, request)
            except LOST as error:
                self._charge_failure(worker, request, f"died on it, the last with: {shorten_error(error)}", error)
        return done

    def _note_answer(self, worker: _Worker, ready: set[Any]) -> None:
        """Note the answer of an actor that was asked whether it is up."""
        if worker.asked not in ready:
            return
        asked, worker.asked = worker.asked, None
        try:
            worker.foreign = not ray.get(asked)
            worker.up = True
        except LOST:
            worker.up = False  # the next round asks it again

    def _kill_late(self, worker: _Worker) -> None:
        ray.kill(worker.actor, no_restart=False)
        _, request = worker.take()
        problem = f"died or hung on it, the last gave no answer within {self._deadline:g} s"
        self._charge_failure(worker, request, f"{problem}; if it needs longer, raise generator.deadline_seconds")

    def _charge_failure(
        self, worker: _Worker, request: SampleRequest, how: str, error: Exception | None = None
    ) -> None:
        """Take all requests from an actor that is gone, and count a failure of the one it worked on."""
        key = (request.stratum, request.chunk)
        self._failures[key] += 1
        if self._failures[key] >= DEATHS:
            raise GeneratorError(f"{_describe_request(request)}: {DEATHS} actors {how}") from error
        self._requeue(worker, request)
        worker.up = False

    def _requeue(self, worker: _Worker, request: SampleRequest) -> None:
        """Put this request, and those that wait behind it, back at the head of the queue."""
        self._waiting.extendleft(reversed([request, *(queued for _, queued in worker.calls)]))
        worker.calls.clear()

    def _request_error(self, request: SampleRequest, error: RayTaskError) -> MakeweightError:
        """Return the generator's own MakeweightError, or an error that names generator, request and exception."""
        cause = cause_of(error)
        if isinstance(cause, MakeweightError):
            return cause
        return GeneratorError(
            f"generator {self._plan.generator.name!r} failed on {_describe_request(request)}: {describe_raised(error)}"
        )

    def _refuse_no_actors(self) -> None:
        now = time.monotonic()
        if any(worker.up and not worker.foreign for worker in self._workers) or is_shared():
            self._up_last = now
        elif self._workers and all(worker.foreign for worker in self._workers) and not seconds_for_nodes():
            machine = self._plan.machine
            raise GeneratorError(
                f"no actor found a place on the kind of machine that this build's rows are made on"
                f" ({machine.told if machine else ''}); bring a node of it back, or free one, and run the same command"
                " again: finished work is kept"
            )
        elif now - self._up_last > (limit := seconds_for_nodes() or START):
            raise GeneratorError(
                f"none of {self.actors} actor(s) of {self._choice.cpus:g} CPU and {self._gpus:g} GPU could be started"
                f" within {limit:g} s; free in the cluster: {describe_free()}; make room and run the same command"
                " again, finished work is kept"
            )


def _describe_request(request: SampleRequest) -> str:
    return f"class {request.stratum!r}, chunk {request.chunk}"


@contextmanager
def open_pool(plan: Plan, workspace: Workspace, choice: GeneratorChoice) -> Iterator[GeneratorPool]:
    """Start the pool's actors, and end them with the block."""
    pool = GeneratorPool(plan, workspace, choice)
    try:
        yield pool
    finally:
        pool.close()


def refuse_unshared_output(workspace: Workspace) -> None:
    """Raise OutputError if another node of the cluster does not see the output's files.

    Call it after the plan was written there. An object store is seen by all nodes.
    """
    here = ray.get_runtime_context().get_node_id()
    others = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["NodeID"] != here]
    if is_uri(workspace.output.path) or not others:
        return
    look = ray.remote(num_cpus=0, max_retries=DEATHS)(_sees_output)
    nodes = [NodeAffinitySchedulingStrategy(node, soft=True) for node in others[:LOOKED_AT]]
    asked = [look.options(scheduling_strategy=node).remote(workspace) for node in nodes]
    blind = [host for sees, host in ray.get(asked) if not sees]
    if blind:
        raise OutputError(
            f"output.path {workspace.output.shown} is on this machine's own disk: {blind[0]!r} of the Ray cluster does"
            " not see it; choose a shared folder or an object store (s3://…)"
        )


def _sees_output(workspace: Workspace) -> tuple[bool, str]:
    return workspace.work.exists("plan.json"), platform.node()
