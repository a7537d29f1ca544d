"""Reading a plain CSV against `pyarrow.csv` alone, side by side: the time of both, and what reading holds in memory.

`python -m tests.benchmarks.reading 500000` takes fewer rows than 5,000,000.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from pipelines.source import profile_source, read_source
from schemas.plan import SourceProfile
from schemas.spec import Source
from tests.benchmarks.common import machine, write_source

ROWS, ROUNDS = 5_000_000, 3


def best(call: Callable[[], int], rows: int) -> float:
    """Return the seconds of the fastest of a few calls, each of which must give all rows."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        assert call() == rows
        seconds.append(time.process_time() - start)
    return min(seconds)


def alone(path: Path) -> int:
    """Stream the file through pyarrow's own reader, on one thread, with its own types."""
    options = pa.csv.ReadOptions(use_threads=False, block_size=8 << 20)
    return sum(batch.num_rows for batch in pa.csv.open_csv(path, read_options=options))


def main(rows: int) -> None:
    """Measure processor time, which other work on the machine does not add to."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "source.csv"
        write_source(path, rows)
        source = Source(path=str(path), label="label")
        profiles: list[SourceProfile] = []

        def profiled() -> int:
            profiles.append(profile_source(source, ["label"]))
            return profiles[-1].rows

        def read() -> int:
            return sum(table.num_rows for table in read_source(source, profiles[-1]))

        plain = best(lambda: alone(path), rows)
        figures = {"profile": best(profiled, rows), "read": best(read, rows)}
        peak = pa.default_memory_pool().max_memory() >> 20
    print(f"{rows:,} rows: pyarrow.csv alone {plain:.2f} s of processor time, at most {peak} MB held ({machine()})")
    for name, seconds in figures.items():
        print(f"  {name}: {seconds:.2f} s, {seconds / plain:.2f} x its time")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else ROWS)
