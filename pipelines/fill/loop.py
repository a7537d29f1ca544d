"""The fill loop: requests chunks until every class is full. Knows no Ray, model or file: counts and sketches only.

Each stratum has one endless stream of candidates, cut into chunks. Chunks may finish in any order; they are *accepted*
in stream order, so that the result depends on the plan alone and not on which worker was fast.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipelines.plan.stream import chunk_request
from pipelines.validate.base import Novelty
from schemas.plan import SampleRequest, Stratum


@dataclass(frozen=True)
class ChunkResult:
    """The result of a staged chunk: counts, and one array of sketches for each comparing validator.

    `sampled` candidates were drawn, `passed` of them were staged, the others are in `rejected` by reason. A chunk that
    was `remade` had been staged before, and was found damaged.
    """

    stratum: str
    chunk: int
    sampled: int
    passed: int
    rejected: Mapping[str, int]
    sketches: tuple[NDArray[Any], ...] = ()
    remade: bool = False


class Pool(Protocol):
    """Workers that serve requests; `slots` is the number of requests that keep them busy."""

    slots: int

    def submit(self, request: SampleRequest) -> None:
        """Accept a request; returns at once."""

    def collect(self) -> Sequence[ChunkResult]:
        """Wait until at least one request is done, and return the results of all that are."""


@dataclass(frozen=True)
class AcceptedChunk:
    """The staged rows of one chunk that are in the dataset: `rows` holds their positions in the staged file."""

    stratum: str
    chunk: int
    rows: NDArray[np.int32]


@dataclass(frozen=True)
class StratumProgress:
    """The progress of a stratum; `candidates` and `rejected` are counted in stream order.

    Of the `accepted` rows, `carried` were made by an earlier version. Those are no candidates; the rejected ones among
    them are counted in `dropped`. `under_way` counts the requested chunks that are not yet accepted, while more are
    needed.
    """

    name: str
    accepted: int
    target: int
    candidates: int
    rejected: Mapping[str, int]
    carried: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    under_way: int = 0

    @property
    def missing(self) -> int:
        """The number of rows still to be made."""
        return self.target - self.accepted


@dataclass(frozen=True)
class FillResult:
    """The accepted chunks in stream order, stratum after stratum, and the progress; some strata may not be full."""

    accepted: list[AcceptedChunk]
    strata: list[StratumProgress]


@dataclass
class _Stream:
    """The stream of one stratum: the requested chunks, those that wait for earlier ones, and the accepted ones."""

    stratum: Stratum
    chunks: int  # that the budget allows
    novelties: Sequence[tuple[str, Novelty]]
    asked: int = 0
    accepted: int = 0
    turn: int = 0  # the next chunk to accept
    candidates: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    waiting: dict[int, ChunkResult] = field(default_factory=dict)
    taken: list[AcceptedChunk] = field(default_factory=list)
    seen_sampled: int = 0
    seen_passed: int = 0
    carried: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        return self.accepted < self.stratum.make and self.turn < self.chunks

    def need(self) -> float:
        """Estimate the candidates that are still to be requested; 0 once the budget is requested."""
        if not self.open or self.asked >= self.chunks:
            return 0
        rate = (self.seen_passed + 1) / (self.seen_sampled + 1)
        outstanding = (self.asked - self.turn) * self.stratum.chunk_rows
        return (self.stratum.make - self.accepted) / rate - outstanding

    def receive(self, result: ChunkResult) -> None:
        """Count a finished chunk, and accept all chunks whose turn has come."""
        if result.chunk >= self.stratum.carried:
            self.seen_sampled += result.sampled
            self.seen_passed += result.passed
        self.waiting[result.chunk] = result
        while self.open and self.turn in self.waiting:
            self._accept(self.waiting.pop(self.turn))
            self.turn += 1
        if not self.open:
            self.waiting.clear()
            self.novelties = ()

    def _accept(self, result: ChunkResult) -> None:
        keep, carried = np.arange(result.passed, dtype=np.int32), result.chunk < self.stratum.carried
        reasons = self.dropped if carried else self.rejected
        for (reason, novelty), sketches in zip(self.novelties, result.sketches, strict=True):
            new = novelty.admit(sketches[keep])
            _count(reasons, reason, len(new) - int(np.count_nonzero(new)))
            keep = keep[new]
        for reason, rows in result.rejected.items():
            _count(reasons, reason, rows)
        keep = keep[: self.stratum.make - self.accepted]
        if carried:
            self.carried += len(keep)
        else:
            self.seen_passed += len(keep) - result.passed  # the rate is of rows that end in the dataset
            self.candidates += result.sampled
        self.accepted += len(keep)
        self.taken.append(AcceptedChunk(self.stratum.name, result.chunk, keep))

    def progress(self) -> StratumProgress:
        counts = (self.accepted, self.stratum.make, self.candidates, self.rejected, self.carried, self.dropped)
        return StratumProgress(self.stratum.name, *counts, under_way=self.asked - self.turn if self.open else 0)


def _count(reasons: dict[str, int], reason: str, rows: int) -> None:
    if rows:
        reasons[reason] = reasons.get(reason, 0) + rows


NoveltyFactory = Callable[[], Sequence[tuple[str, Novelty]]]


def fill(
    strata: Sequence[Stratum],
    pool: Pool,
    *,
    seed: int,
    attempts_per_row: float,
    novelties: NoveltyFactory = tuple,
    on_progress: Callable[[StratumProgress], None] = lambda _: None,
) -> FillResult:
    """Request chunks from the pool until each stratum has the rows it needs, or its budget is spent.

    `novelties` returns fresh memories for one stratum, each with the reason of a repeated row. The result depends on
    the strata, the seed and the rows alone, whatever the order in which chunks finish.
    """
    streams = {s.name: _Stream(s, _budget(s, attempts_per_row), novelties()) for s in strata if s.make}
    queue = _Queue(streams.values())
    unfinished = len(streams)
    in_flight = 0
    while unfinished:
        while in_flight < pool.slots and (stream := queue.neediest()):
            pool.submit(chunk_request(seed, stream.stratum, stream.asked))
            stream.asked += 1
            in_flight += 1
            queue.push(stream)
        for result in pool.collect():
            in_flight -= 1
            stream = streams[result.stratum]
            was_open = stream.open
            stream.receive(result)
            unfinished -= was_open and not stream.open
            queue.push(stream)
            on_progress(stream.progress())
    return FillResult([c for s in streams.values() for c in s.taken], [s.progress() for s in streams.values()])


def _budget(stratum: Stratum, attempts_per_row: float) -> int:
    """Return the most chunks that may be requested for the stratum."""
    return stratum.carried + ceil(stratum.make * attempts_per_row / stratum.chunk_rows)


class _Queue:
    """Streams by need, the largest first. Only a stream's newest entry counts; older ones are skipped."""

    def __init__(self, streams: Iterable[_Stream]) -> None:
        self._heap: list[tuple[float, int, _Stream]] = []
        self._newest: dict[str, int] = {}
        self._pushed = 0
        for stream in streams:
            self.push(stream)

    def push(self, stream: _Stream) -> None:
        self._pushed += 1
        self._newest[stream.stratum.name] = self._pushed
        need = stream.need()
        if need > 0:
            heapq.heappush(self._heap, (-need, self._pushed, stream))

    def neediest(self) -> _Stream | None:
        while self._heap:
            _, pushed, stream = heapq.heappop(self._heap)
            if self._newest[stream.stratum.name] == pushed:
                return stream
        return None
