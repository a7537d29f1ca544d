"""A build's figures as Prometheus metrics; `exporters.py` exports them.

Names and units follow https://prometheus.io/docs/practices/naming/. Counters start at 0 in each run.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from threading import Lock

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from flows.progress import Build, Listener
from flows.watching.gpus import read_gpus
from flows.watching.pace import Filling, Steps
from generators.base import TrainingProgress
from pipelines.fill.loop import StratumProgress
from pipelines.storage.libraries import library_versions
from schemas.manifest import Manifest
from schemas.plan import Plan

NAMED = 40
"""The most classes, and the most reasons, with a series of their own; the rest are added up under `OTHER`."""
OTHER = "other"

Value = tuple[Sequence[str], float]


class Metrics(Listener, Collector):
    """A listener that keeps a build's figures, and a collector that gives them to any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._build: Build | None = None
        self._steps, self._filling = Steps(), Filling()
        self._actors = 0
        self._training: TrainingProgress | None = None
        self._manifest: Manifest | None = None
        self._ended: float | None = None
        self.last_success: float | None = None

    def started(self, build: Build) -> None:
        """Take note of what is built."""
        self._build, self._steps = build, Steps()

    def step(self, name: str) -> None:
        """Take note of the step at work."""
        with self._lock:
            self._steps.begin(name)
            self._actors = 0

    def trained(self, progress: TrainingProgress) -> None:
        """Take note of how far the training is."""
        self._training = progress

    def filling(self, plan: Plan, actors: int) -> None:  # noqa: ARG002 (the protocol's)
        """Take note of the actors at work."""
        with self._lock:
            self._actors, self._filling = actors, Filling()

    def filled(self, progress: StratumProgress) -> None:
        """Take note of how far a class is."""
        with self._lock:
            self._filling.hear(progress)

    def ended(self, manifest: Manifest) -> None:
        """Take note of what was published."""
        self._manifest, self.last_success = manifest, time.time()
        self._end()

    def failed(self, error: BaseException) -> None:  # noqa: ARG002
        """Take note that nothing was published."""
        self._end()

    def _end(self) -> None:
        with self._lock:
            self._steps.begin(None)
            self._actors, self._ended = 0, time.time()

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self._ended is not None

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics with their current values."""
        if self._build is None:
            return
        with self._lock:
            found = [*self._run_metrics(self._build), *self._fill_metrics(self._build.plan), *self._gpu_metrics()]
        yield from found

    def _run_metrics(self, build: Build) -> Iterator[Metric]:
        version = library_versions().get("makeweight", "")
        info = {"build": build.key, "run": build.id, "generator": build.plan.generator.name, "version": version}
        about = InfoMetricFamily("makeweight_build", "What is built, and by which run.", labels=["dataset"])
        about.add_metric([build.plan.name], info)
        yield about
        steps = {**dict.fromkeys(self._steps.took, 0.0), **({self._steps.now: 1.0} if self._steps.now else {})}
        yield self._gauge("step", "1 for the step at work, 0 for those before it.", _named_values(steps), "step")
        yield self._gauge("step_duration_seconds", "How long a step took.", _named_values(self._steps.took), "step")
        yield self._gauge(
            "run_duration_seconds", "Since the run began, or how long it took.", _single_value(self._steps.total)
        )
        if self._training:
            yield self._gauge("training_step", "Steps of training done.", _single_value(self._training.step))
            yield self._gauge("training_steps", "Steps that the training takes.", _single_value(self._training.steps))
            yield self._gauge(
                "training_loss", "Loss that the training reported last.", _single_value(self._training.loss)
            )
        yield from self._end_metrics()

    def _end_metrics(self) -> Iterator[Metric]:
        if self._ended:
            yield self._gauge("last_run_timestamp_seconds", "When the last run ended.", _single_value(self._ended))
            help_ = "1 if the last run published, or found the dataset complete, 0 if it failed or was stopped."
            yield self._gauge("last_run_success", help_, _single_value(float(self._manifest is not None)))
        if self.last_success:
            yield self._gauge(
                "last_success_timestamp_seconds", "When a run last published.", _single_value(self.last_success)
            )
        if self._manifest:
            size = sum(shard.bytes for shard in self._manifest.shards)
            yield self._gauge("dataset_rows", "Rows of the published dataset.", _single_value(self._manifest.rows))
            yield self._gauge("dataset_bytes", "Bytes of its shards.", _single_value(size))

    def _fill_metrics(self, plan: Plan) -> Iterator[Metric]:
        making = sorted((stratum for stratum in plan.strata if stratum.make), key=lambda one: -one.make)
        label = {one.name: one.name if rank < NAMED else OTHER for rank, one in enumerate(making)}
        wanted, accepted, tried = Counter[str](), Counter[str](), Counter[str]()
        rejected = Counter[str]()
        for stratum in making:
            wanted[label[stratum.name]] += stratum.make
            accepted[label[stratum.name]] += 0
        for one in self._filling.strata.values():
            accepted[label.get(one.name, OTHER)] += one.accepted - one.carried
            tried[label.get(one.name, OTHER)] += one.candidates
            rejected.update(one.rejected)
        yield self._gauge("rows_wanted", "Rows to be made.", _named_values(wanted), "class")
        yield self._counter("rows_accepted", "Made rows that are in the dataset.", _named_values(accepted), "class")
        yield self._counter("candidates", "Rows that were made and looked at.", _named_values(tried), "class")
        yield self._counter(
            "rows_rejected", "Made rows that are not, by reason.", _named_values(_limit_names(rejected)), "reason"
        )
        speed = _single_value(self._filling.per_second if self._actors else 0)
        yield self._gauge("rows_per_second", "Rows accepted in a second, over the last half minute.", speed)
        waiting = _single_value(self._filling.under_way if self._actors else 0)
        yield self._gauge("queue_depth", "Requests that are with the actors or wait their turn.", waiting)
        yield self._gauge("actors", "Actors that make rows.", _single_value(self._actors))

    def _gpu_metrics(self) -> Iterator[Metric]:
        found = read_gpus()
        if not found:
            return
        busy = [((one.name,), one.busy) for one in found]
        yield self._gauge("gpu_utilization_ratio", "Share of time that a GPU of this machine was busy.", busy, "gpu")
        used = [((one.name,), float(one.used)) for one in found]
        yield self._gauge("gpu_memory_used_bytes", "Memory in use on a GPU of this machine.", used, "gpu")
        total = [((one.name,), float(one.memory)) for one in found]
        yield self._gauge("gpu_memory_bytes", "Memory of a GPU of this machine.", total, "gpu")

    def _gauge(self, name: str, help_: str, values: Sequence[Value], *labels: str) -> Metric:
        return self._filled(GaugeMetricFamily(f"makeweight_{name}", help_, labels=["dataset", *labels]), values)

    def _counter(self, name: str, help_: str, values: Sequence[Value], *labels: str) -> Metric:
        return self._filled(CounterMetricFamily(f"makeweight_{name}", help_, labels=["dataset", *labels]), values)

    def _filled(self, family: GaugeMetricFamily | CounterMetricFamily, values: Sequence[Value]) -> Metric:
        dataset = self._build.plan.name if self._build else ""
        for labels, value in values:
            family.add_metric([dataset, *labels], value)
        return family


def _single_value(value: float) -> list[Value]:
    return [((), value)]


def _named_values(values: "dict[str, float] | Counter[str]") -> list[Value]:
    return [((name,), value) for name, value in values.items()]


def _limit_names(counts: Counter[str]) -> Counter[str]:
    """Return the counts of the first `NAMED` names in alphabetical order, and the sum of the rest under `OTHER`."""
    names = sorted(counts)
    named = Counter({name: counts[name] for name in names[:NAMED]})
    if names[NAMED:]:
        named[OTHER] += sum(counts[name] for name in names[NAMED:])
    return named
