"""Two Ray nodes of one CPU each against one node of two CPUs: the same build, side by side, by rows a second.

Each build joins its cluster by RAY_ADDRESS, as on machines of their own. The clusters run one at a time, in turn.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from schemas.manifest import Manifest
from tests.benchmarks.common import CHEAP, Stopwatch, machine, make_spec, timed_build, write_source

LAYOUTS = {"one node": [2], "two nodes": [1, 1]}


@contextmanager
def joined(cpus: list[int]) -> Iterator[None]:
    """Start a cluster with a node for each number of CPUs, and join it."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cpus[0], "include_dashboard": False})
    try:
        for more in cpus[1:]:
            cluster.add_node(num_cpus=more)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()


def measured(folder: Path, name: str, cpus: list[int], rows: int) -> tuple[Manifest, Stopwatch]:
    """Build so many rows on a cluster of these nodes."""
    spec = make_spec(
        folder,
        name.replace(" ", "-"),
        balance={"target": {"rare": rows}},
        generator={"name": CHEAP, "actors": 2},
        validate=["schema", "duplicates"],
    )
    with joined(cpus):
        return timed_build(spec)


def main(rows: int = 1_000_000, rounds: int = 3) -> None:
    """Measure both in turn, and print the ratio."""
    hashes, rates = set(), {name: [] for name in LAYOUTS}
    for number in range(rounds):
        order = list(LAYOUTS) if number % 2 == 0 else list(reversed(LAYOUTS))
        for name in order:
            with tempfile.TemporaryDirectory() as temporary:
                write_source(Path(temporary) / "source.csv")
                manifest, watch = measured(Path(temporary), name, LAYOUTS[name], rows)
            hashes.add(manifest.content_hash)
            filling, whole = watch.fill_rate(), rows / watch.seconds("ingest", "done")
            rates[name].append((filling, whole))
            print(f"{name}: {filling:,.0f} rows/s while filling, {whole:,.0f} of the whole build", flush=True)
    ratios = [
        median(rate[part] for rate in rates["two nodes"]) / median(rate[part] for rate in rates["one node"])
        for part in (0, 1)
    ]
    same = "the same" if len(hashes) == 1 else "NOT the same"
    print(
        f"cluster: two nodes make {ratios[0]:.2f} x the rows/s of one node while filling, {ratios[1]:.2f} x in the"
        f" whole build, {same} content_hash (medians of {rounds}; {machine()})"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
