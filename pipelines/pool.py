"""Ray actors that make chunks, and the watch over them: one that dies or hangs costs time, never a row.

The driver gives each actor a request and one to follow. Calls to an actor run in the order they were made, so the first
that is not done is the one it works on, and its time counts from when the one before was done.
"""

import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import ray
from ray.exceptions import ObjectLostError, OutOfMemoryError, RayActorError, RayTaskError

from pipelines.actors import DEATHS, cause_of, gpu_share, pool_size, told
from pipelines.chunk import ChunkMaker
from pipelines.fill import ChunkResult
from pipelines.fit import load_generator, load_validators
from pipelines.workspace import Workspace
from schemas.errors import GeneratorError, MakeweightError
from schemas.plan import Plan, SampleRequest
from schemas.spec import GeneratorChoice

AHEAD = 2
"""Requests that each actor holds: one it works on, one that waits, so that it never idles."""
LOOK = 1.0
"""Seconds from one look at the clock to the next, and from one question whether an actor is up to the next."""
START = 900.0
"""Seconds that a build waits while no actor is up, as when a cluster has to grow first."""
LOST = (RayActorError, OutOfMemoryError, ObjectLostError)
"""How Ray tells that an actor died, or its node with what it had answered."""


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

    def up(self) -> None:
        """Answer, which says that the actor runs."""

    def make(self, request: SampleRequest) -> ChunkResult:
        """Make the chunk, stage its rows, and return its counts and sketches."""
        return self._maker.make(request)


@dataclass(eq=False)
class _Hand:
    """One actor as the driver sees it.

    `up` says that it answered since it was started last, `asked` is the question whether it does. `calls` are its
    requests, the first of which it has worked on since `since` (seconds, monotonic).
    """

    actor: Any
    up: bool = False
    asked: Any = None
    calls: deque[tuple[Any, SampleRequest]] = field(default_factory=deque)
    since: float = 0.0

    @property
    def open(self) -> bool:
        return self.up and len(self.calls) < AHEAD

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
    would be raised again.
    """

    def __init__(self, plan: Plan, place: Workspace, choice: GeneratorChoice) -> None:
        gpus = gpu_share(plan, choice)
        self.actors = pool_size(plan, choice, gpus)
        actor = ray.remote(num_cpus=choice.cpus, num_gpus=gpus, max_restarts=-1)(GeneratorActor)
        device = "cuda" if gpus else "cpu"
        self._hands = [_Hand(actor.remote(place, device)) for _ in range(self.actors)]
        self._waiting: deque[SampleRequest] = deque()
        self._failures: Counter[tuple[str, int]] = Counter()
        self._deadline = choice.deadline_seconds
        self._up_last = time.monotonic()
        self.slots = self.actors * AHEAD

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
            self._hand_out()
            self._refuse_nobody()
        return done

    def close(self) -> None:
        """End the actors; chunks that are under way are dropped, unless they are staged already."""
        for hand in self._hands:
            ray.kill(hand.actor)

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
            except RayTaskError as error:
                raise _refused(request, error) from error
            except LOST as error:
                self._give_back(hand, request, f"died on it, the last with: {told(error)}", error)
        return done

    def _greet(self, hand: _Hand, ready: set[Any]) -> None:
        """Note whether an actor that was asked is up."""
        if hand.asked not in ready:
            return
        asked, hand.asked = hand.asked, None
        try:
            ray.get(asked)
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
        self._waiting.extendleft(reversed([request, *(queued for _, queued in hand.calls)]))
        hand.calls.clear()
        hand.up = False

    def _refuse_nobody(self) -> None:
        now = time.monotonic()
        if any(hand.up for hand in self._hands):
            self._up_last = now
        elif now - self._up_last > START:
            free = ray.available_resources()
            has = f"{free.get('CPU', 0):g} CPU and {free.get('GPU', 0):g} GPU"
            raise GeneratorError(
                f"none of {self.actors} actor(s) could be started within {START:g} s; free in the cluster: {has}; "
                "make room and run the same command again, finished work is kept"
            )


def _name(request: SampleRequest) -> str:
    return f"class {request.stratum!r}, chunk {request.chunk}"


def _refused(request: SampleRequest, error: RayTaskError) -> MakeweightError:
    """Return what the generator raised, if that was explained, or an error that names the request."""
    cause = cause_of(error)
    return cause if isinstance(cause, MakeweightError) else GeneratorError(f"{_name(request)}: {cause!r}")


@contextmanager
def open_pool(plan: Plan, place: Workspace, choice: GeneratorChoice) -> Iterator[GeneratorPool]:
    """Open the actors for as long as the block lasts."""
    pool = GeneratorPool(plan, place, choice)
    try:
        yield pool
    finally:
        pool.close()
