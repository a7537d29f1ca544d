"""The fill loop against simulated workers: exact, independent of who is fast, within its budget, and quick."""

import random
from collections import Counter

import numpy as np
import pytest

from pipelines.fill.loop import ChunkResult, fill
from pipelines.validate.memory import FingerprintSet
from schemas.plan import SampleRequest, Stratum


def stratum(name="a", make=1000, chunk_rows=100):
    return Stratum(name=name, key=[name], real=10, target=10 + make, chunk_rows=chunk_rows)


def chunk_of(request: SampleRequest, accept: float, values: int) -> ChunkResult:
    """What the stream holds depends on the request alone."""
    rng = np.random.default_rng(request.seed)
    passed = int(rng.binomial(request.rows, accept))
    prints = rng.integers(0, values, passed, dtype=np.uint64)
    lost = {"schema": request.rows - passed} if passed < request.rows else {}
    return ChunkResult(request.stratum, request.chunk, request.rows, passed, lost, (prints,))


class SimulatedPool:
    """Serves requests in a random order, a few at a time."""

    def __init__(self, slots, *, order=0, accept=0.7, values=10**9):
        self.slots, self.accept, self.values = slots, accept, values
        self.rng = random.Random(order)
        self.held: list[SampleRequest] = []
        self.served: Counter = Counter()
        self.most_held = 0

    def submit(self, request):
        self.held.append(request)
        self.most_held = max(self.most_held, len(self.held))

    def collect(self):
        self.rng.shuffle(self.held)
        count = self.rng.randint(1, len(self.held))
        now, self.held = self.held[:count], self.held[count:]
        for request in now:
            self.served[request.stratum, request.chunk] += 1
        return [chunk_of(request, self.accept, self.values) for request in now]


def run(strata, pool, **options):
    settings = {"seed": 3, "attempts_per_row": 20, "novelties": lambda: [("duplicates", FingerprintSet())]}
    return fill(strata, pool, **(settings | options))


def described(result):
    chunks = [(c.stratum, c.chunk, c.rows.tolist()) for c in result.accepted]
    return chunks, [(s.name, s.accepted, s.candidates, dict(s.rejected)) for s in result.strata]


def test_every_class_gets_exactly_what_it_needs():
    strata = [stratum("a", 1000), stratum("b", 17, 64), stratum("c", 0), stratum("d", 12_345, 500)]
    result = run(strata, SimulatedPool(8))
    assert [(s.name, s.accepted) for s in result.strata] == [("a", 1000), ("b", 17), ("d", 12_345)]
    assert sum(len(c.rows) for c in result.accepted) == 1000 + 17 + 12_345


def test_result_does_not_depend_on_the_number_of_workers_nor_on_their_order():
    strata = [stratum("a", 5000), stratum("b", 700, 64)]
    expected = described(run(strata, SimulatedPool(1), seed=9))
    for slots, order in ((2, 1), (7, 2), (64, 3), (1000, 4)):
        assert described(run(strata, SimulatedPool(slots, order=order), seed=9)) == expected


def test_accepted_rows_are_distinct_and_repeats_are_counted():
    pool = SimulatedPool(5, accept=1.0, values=2000)
    result = run([stratum("a", 1500)], pool)
    seen = set()
    for chunk in result.accepted:
        prints = chunk_of(request_of(chunk.chunk), 1.0, 2000).sketches[0][chunk.rows]
        assert 0 < len(prints) <= 100
        assert not seen & set(prints.tolist())
        seen |= set(prints.tolist())
    assert len(seen) == 1500
    assert result.strata[0].rejected["duplicates"] > 0


def request_of(chunk):
    from pipelines.plan.stream import chunk_request

    return chunk_request(3, stratum("a", 1500), chunk)


def test_no_chunk_is_asked_for_twice_and_no_more_are_held_than_slots():
    pool = SimulatedPool(13)
    run([stratum("a", 9000), stratum("b", 900)], pool)
    assert set(pool.served.values()) == {1}
    assert pool.most_held <= 13


def test_a_budget_that_does_not_suffice_ends_the_loop_with_what_is_missing():
    pool = SimulatedPool(4, accept=0.01)
    result = run([stratum("a", 1000), stratum("b", 10, 10)], pool, attempts_per_row=2)
    short = result.strata[0]
    assert short.candidates == 2000
    assert short.missing == 1000 - short.accepted > 0
    assert short.rejected["schema"] + short.accepted == 2000


def test_need_decides_who_is_served_first():
    pool = SimulatedPool(4)
    order = []
    pool.submit = lambda request: (order.append(request.stratum), SimulatedPool.submit(pool, request))
    run([stratum("small", 100), stratum("large", 10_000)], pool)
    assert order[:4] == ["large"] * 4


@pytest.mark.parametrize("accept", [1.0, 0.3])
def test_hardly_more_is_asked_for_than_is_needed(accept):
    pool = SimulatedPool(10, accept=accept)
    run([stratum("a", 20_000)], pool)
    assert len(pool.served) <= 20_000 / accept / 100 * 1.15 + 10


def test_ten_thousand_simulated_actors_are_kept_busy():
    strata = [stratum(f"class {n}", 40_000, 500) for n in range(100)]
    pool = SimulatedPool(20_000, accept=0.8)
    result = run(strata, pool)
    assert all(s.accepted == 40_000 for s in result.strata)
    assert pool.most_held <= 20_000
    assert len(pool.served) < 14_000
