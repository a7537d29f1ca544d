"""Ray actors that make chunks, and the watch over them: one that dies or hangs costs time, never a row.

Their number follows the cluster: nodes that join while a build runs get actors, those of nodes that went are forgotten.

The driver gives each actor a request and one to follow. Calls to an actor run in the order they were made, so the first
that is not done is the one it works on, and its time counts from when the one before was done.
"""

import platform
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, cast

import ray
from ray.exceptions import ObjectLostError, OutOfMemoryError, RayActorError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipelines.engine.actors import (
    DEATHS,
    START,
    cause_of,
    free,
    gpu_share,
    pool_size,
    raised,
    room,
    shared,
    told,
    wanted_actors,
)
from pipelines.engine.reach import seconds_for_nodes
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
"""Requests that each actor holds: one it works on, one that waits, so that it never idles."""
LOOK = 1.0
"""Seconds from one look at the clock to the next, and from one question whether an actor is up to the next."""
FOLLOW = 5.0
"""Seconds from one look at what the cluster holds to the next."""
LOOKED_AT = 8
"""How many of a cluster's other nodes are asked whether they see the files of this one."""
LOST = (RayActorError, OutOfMemoryError, ObjectLostError)
"""How Ray tells that an actor died, or its node with what it had answered."""


class GeneratorActor:
    """A Ray actor that loads one fitted model and the fitted validators once, and makes chunks with them."""

    def __init__(self, place: Workspace, plan: str, device: str) -> None:
        """Take the build's folder, the hash of the plan that lies there, and where to run the model."""
        self._place, self._told, self._device = place, plan, device

    @cached_property
    def _maker(self) -> ChunkMaker:
        # not in the constructor: an exception there would kill the actor, and its message with it
        plan = self._place.plan(self._told)
        refuse_other_machine(plan)
        generator, parents = load_generator(plan, self._place.models, self._device)
        validators = load_validators(plan, self._place)
        return ChunkMaker(plan, generator, validators, parents, self._place.staged, self._place.carried)

    def up(self) -> bool:
        """Answer, which says that the actor runs, and whether on the kind of machine that the build keeps to."""
        try:
            refuse_other_machine(self._place.plan())
        except OtherMachineError:
            return False
        return True

    def make(self, request: SampleRequest) -> ChunkResult:
        """Make the chunk, stage its rows, and return its counts and sketches."""
        return self._maker.make(request)


@dataclass(eq=False)
class _Hand:
    """One actor as the driver sees it.

    `up` says that it answered since it was started last, `asked` is the question whether it does. One that is `foreign`
    runs on another kind of machine: it gets no work, and keeps another actor from being started there. `calls` are its
    requests, the first of which it has worked on since `since` (seconds, monotonic).
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
        """Take the first call away; the next one begins now."""
        self.since = time.monotonic()
        return self.calls.popleft()

    def refs(self) -> list[Any]:
        return [ref for ref, _ in self.calls] + ([self.asked] if self.asked is not None else [])

    def ask(self) -> None:
        """Ask whether it is up, unless that was asked a moment ago."""
        if self.up or self.asked is not None or time.monotonic() - self.since < LOOK:
            return
        self.since = time.monotonic()
        self.asked = self.actor.up.remote()


class GeneratorPool:
    """Ray actors that serve requests; a `fill.Pool`.

    An actor that dies is started again by Ray; one that takes longer than the deadline for a request is killed. What it
    held is given out anew, to whichever actor is up. Only the request that it worked on is charged with that; one on
    which actors die or hang again and again fails by name. An exception that a generator raises is not retried: it
    would be raised again. `remade` counts the chunks that were staged before, but were found damaged.
    """

    def __init__(self, plan: Plan, place: Workspace, choice: GeneratorChoice) -> None:
        gpus = gpu_share(plan, choice)
        self._plan, self._choice, self._gpus = plan, choice, gpus
        actor = ray.remote(num_cpus=choice.cpus, num_gpus=gpus, max_restarts=-1)(GeneratorActor)
        self._open = partial(actor.remote, place, plan_hash(plan), "cuda" if gpus else "cpu")
        self._hands: list[_Hand] = []
        self.remade = 0
        self._waiting: deque[SampleRequest] = deque()
        self._failures: Counter[tuple[str, int]] = Counter()
        self._deadline = choice.deadline_seconds
        self._up_last = self._looked = time.monotonic()
        self._resize(pool_size(plan, choice, gpus))

    @property
    def actors(self) -> int:
        """How many actors there are now, with those that wait for a place."""
        return len(self._hands)

    def submit(self, request: SampleRequest) -> None:
        """Give the request to an actor that is up and has room, or keep it until there is one."""
        self._waiting.append(request)
        self._hand_out()

    def collect(self) -> list[ChunkResult]:
        """Wait for at least one chunk, and return all that are done.

        Raises GeneratorError for a request that cannot be served, and when no actor is up for `START` seconds.
        """
        done: list[ChunkResult] = []
        while not done:
            ready = self._wait()
            for hand in self._hands:
                done += self._served(hand, ready)
                self._greet(hand, ready)
                if hand.calls and time.monotonic() - hand.since > self._deadline:
                    self._stop(hand)
            self._follow()
            self._hand_out()
            self._refuse_nobody()
        return done

    def close(self) -> None:
        """End the actors; chunks that are under way are dropped, unless they are staged already."""
        for hand in self._hands:
            ray.kill(hand.actor)

    def _follow(self) -> None:
        """Look from time to time how many actors the cluster has room for now."""
        if time.monotonic() - self._looked < FOLLOW:
            return
        self._looked = time.monotonic()
        fits = room(self._choice.cpus, self._gpus)
        up = sum(hand.up for hand in self._hands)
        self._resize(wanted_actors(self._plan, self._choice, fits, up))

    def _resize(self, wanted: int) -> None:
        """Open actors that are missing, or close those that are too many and have no place to work."""
        self._hands += [_Hand(self._open()) for _ in range(wanted - len(self._hands))]
        idle = [hand for hand in self._hands if not hand.up and not hand.calls]
        for hand in idle[: max(0, len(self._hands) - wanted)]:
            ray.kill(hand.actor)
            self._hands.remove(hand)
        self.slots = len(self._hands) * AHEAD

    def _hand_out(self) -> None:
        while self._waiting and (open_ := [hand for hand in self._hands if hand.open]):
            min(open_, key=lambda hand: len(hand.calls)).give(self._waiting.popleft())

    def _wait(self) -> set[Any]:
        """Return the answers that are there, after a moment if there are none."""
        for hand in self._hands:
            hand.ask()
        refs = [ref for hand in self._hands for ref in hand.refs()]
        if not refs:
            time.sleep(LOOK)
            return set()
        ray.wait(refs, num_returns=1, timeout=LOOK)
        return set(ray.wait(refs, num_returns=len(refs), timeout=0)[0])

    def _served(self, hand: _Hand, ready: set[Any]) -> list[ChunkResult]:
        """Return the chunks that this actor has made."""
        done: list[ChunkResult] = []
        while hand.calls and hand.calls[0][0] in ready:
            ref, request = hand.take()
            try:
                done.append(cast(ChunkResult, ray.get(ref)))
                self.remade += done[-1].remade
            except RayTaskError as error:
                if not isinstance(cause_of(error), OtherMachineError):
                    raise self._refused(request, error) from error
                hand.foreign = True  # it was started again, on another node
                self._take_back(hand, request)
            except LOST as error:
                self._give_back(hand, request, f"died on it, the last with: {told(error)}", error)
        return done

    def _greet(self, hand: _Hand, ready: set[Any]) -> None:
        """Note whether an actor that was asked is up."""
        if hand.asked not in ready:
            return
        asked, hand.asked = hand.asked, None
        try:
            hand.foreign = not ray.get(asked)
            hand.up = True
        except LOST:
            hand.up = False  # it is asked again

    def _stop(self, hand: _Hand) -> None:
        ray.kill(hand.actor, no_restart=False)
        _, request = hand.take()
        told_ = f"died or hung on it, the last gave no answer within {self._deadline:g} s"
        self._give_back(hand, request, f"{told_}; if it needs longer, raise generator.deadline_seconds")

    def _give_back(self, hand: _Hand, request: SampleRequest, how: str, error: Exception | None = None) -> None:
        """Take all requests from an actor that is gone, and charge the one that it worked on with that."""
        key = (request.stratum, request.chunk)
        self._failures[key] += 1
        if self._failures[key] >= DEATHS:
            raise GeneratorError(f"{_name(request)}: {DEATHS} actors {how}") from error
        self._take_back(hand, request)
        hand.up = False

    def _take_back(self, hand: _Hand, request: SampleRequest) -> None:
        """Let others serve this request and those that wait behind it."""
        self._waiting.extendleft(reversed([request, *(queued for _, queued in hand.calls)]))
        hand.calls.clear()

    def _refused(self, request: SampleRequest, error: RayTaskError) -> MakeweightError:
        """Return what the generator raised, if that was explained, or an error that names it and the request."""
        cause = cause_of(error)
        if isinstance(cause, MakeweightError):
            return cause
        return GeneratorError(f"generator {self._plan.generator.name!r} failed on {_name(request)}: {raised(error)}")

    def _refuse_nobody(self) -> None:
        now = time.monotonic()
        if any(hand.up and not hand.foreign for hand in self._hands) or shared():
            self._up_last = now
        elif self._hands and all(hand.foreign for hand in self._hands) and not seconds_for_nodes():
            machine = self._plan.machine
            raise GeneratorError(
                f"no actor found a place on the kind of machine that this build's rows are made on"
                f" ({machine.told if machine else ''}); bring a node of it back, or free one, and run the same command"
                " again: finished work is kept"
            )
        elif now - self._up_last > (limit := seconds_for_nodes() or START):
            raise GeneratorError(
                f"none of {self.actors} actor(s) of {self._choice.cpus:g} CPU and {self._gpus:g} GPU could be started"
                f" within {limit:g} s; free in the cluster: {free()}; make room and run the same command again,"
                " finished work is kept"
            )


def _name(request: SampleRequest) -> str:
    return f"class {request.stratum!r}, chunk {request.chunk}"


@contextmanager
def open_pool(plan: Plan, place: Workspace, choice: GeneratorChoice) -> Iterator[GeneratorPool]:
    """Open the actors for as long as the block lasts."""
    pool = GeneratorPool(plan, place, choice)
    try:
        yield pool
    finally:
        pool.close()


def refuse_own_disk(place: Workspace) -> None:
    """Raise OutputError if another node of the cluster does not see what this one has written to the output.

    To be asked once the plan was kept there. An object store is seen by all.
    """
    here = ray.get_runtime_context().get_node_id()
    others = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["NodeID"] != here]
    if is_uri(place.output.path) or not others:
        return
    look = ray.remote(num_cpus=0, max_retries=DEATHS)(_sees)
    nodes = [NodeAffinitySchedulingStrategy(node, soft=True) for node in others[:LOOKED_AT]]
    asked = [look.options(scheduling_strategy=node).remote(place) for node in nodes]
    blind = [host for sees, host in ray.get(asked) if not sees]
    if blind:
        raise OutputError(
            f"output.path {place.output.shown} is on this machine's own disk: {blind[0]!r} of the Ray cluster does not"
            " see it; choose a shared folder or an object store (s3://…)"
        )


def _sees(place: Workspace) -> tuple[bool, str]:
    return place.work.exists("plan.json"), platform.node()
