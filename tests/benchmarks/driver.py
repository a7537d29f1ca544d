"""The driver's own time a chunk, with simulated actors: 10,000 of them at 5 s a chunk finish 2,000 a second."""

import time

import numpy as np

from pipelines.fill.loop import ChunkResult, fill
from pipelines.validate.memory import FingerprintSet
from schemas.plan import Stratum
from tests.benchmarks.common import machine

ROWS, STRATA, CHUNKS = 500, 100, 20_000


class Simulated:
    """Actors that finish in the order they were asked, and cost the driver nothing of their own."""

    slots = 20_000

    def __init__(self) -> None:
        self.held, self.own, self.served = [], 0.0, 0
        self.rng = np.random.default_rng(0)

    def submit(self, request):
        """Hold the request."""
        self.held.append(request)

    def collect(self):
        """Finish two hundred of them; the time that takes is not the driver's."""
        start = time.perf_counter()
        now, self.held = self.held[:200], self.held[200:]
        self.served += len(now)
        draws = self.rng.integers(0, 2**63, (len(now), ROWS)).astype(np.uint64)
        done = [
            ChunkResult(request.stratum, request.chunk, ROWS, ROWS, {}, (prints,))
            for request, prints in zip(now, draws, strict=True)
        ]
        self.own += time.perf_counter() - start
        return done


def main() -> None:
    """Fill ten million rows from simulated actors and print the driver's time per chunk."""
    make = ROWS * CHUNKS // STRATA
    strata = [Stratum(name=str(n), key=[str(n)], real=0, target=make, chunk_rows=ROWS) for n in range(STRATA)]
    pool = Simulated()
    start = time.perf_counter()
    fill(strata, pool, seed=0, attempts_per_row=20, novelties=lambda: [("duplicates", FingerprintSet())])
    spent = time.perf_counter() - start - pool.own
    print(f"driver: {1000 * spent / pool.served:.3f} ms a chunk of {ROWS} rows, {pool.served:,} chunks ({machine()})")


if __name__ == "__main__":
    main()
