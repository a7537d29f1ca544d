"""What the benchmarks share: a source, a build that is timed by step, and the machine in words."""

import os
import platform
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from flows.commands.console import QUIET
from flows.progress import Listener, listen
from pipelines.fill.loop import StratumProgress
from schemas.manifest import Manifest
from schemas.spec import Spec, parse

os.environ.update(QUIET)
CHEAP = "tests.benchmarks.cheap:Cheap"


def machine() -> str:
    """Return the machine in a few words."""
    return f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"


def write_source(path: Path, rows: int = 20_000) -> None:
    """Write a table of six numbers and two texts, with a class of a tenth of the rows."""
    rng = np.random.default_rng(0)
    columns = {f"number{n}": rng.normal(size=rows).round(6) for n in range(3)}
    columns |= {f"count{n}": rng.integers(0, 100_000, rows) for n in range(3)}
    columns |= {f"text{n}": rng.choice([f"value {n}-{i}" for i in range(30)], rows) for n in range(2)}
    columns["label"] = np.where(rng.random(rows) < 0.1, "rare", "common")
    pa.csv.write_csv(pa.table(columns), path)


def make_spec(folder: Path, name: str, **parts: object) -> Spec:
    """Return a spec that reads `folder/source.csv` and writes below `folder`."""
    source = {"path": str(folder / "source.csv"), "label": "label"}
    return parse(Spec, {"name": name, "source": source, "output": {"path": str(folder / name)}, **parts})


class Stopwatch(Listener):
    """Notes when each step of a build began, and how the fill went once its actors were up."""

    def __init__(self) -> None:
        self.began: dict[str, float] = {}
        self.accepted: list[tuple[float, int]] = []

    def step(self, name: str) -> None:
        """Note it."""
        self.began[name] = time.perf_counter()

    def filled(self, progress: StratumProgress) -> None:
        """Note it."""
        self.accepted.append((time.perf_counter(), progress.accepted))

    def seconds(self, first: str, last: str) -> float:
        """Return the time from the beginning of one step to the beginning of another."""
        return self.began[last] - self.began[first]

    def fill_rate(self) -> float:
        """Return the rows a second of a fill of one class, over its last three quarters: all actors are up by then."""
        (first, before), (last, after) = self.accepted[len(self.accepted) // 4], self.accepted[-1]
        return (after - before) / (last - first)


def timed_build(spec: Spec) -> tuple[Manifest, Stopwatch]:
    """Build, and return the manifest with the beginnings of the steps; the end is `done`."""
    from flows.build import build

    watch = Stopwatch()
    with listen(watch):
        manifest = build(spec)
        watch.step("done")
    return manifest, watch
