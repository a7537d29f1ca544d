"""The build: the one place that strings the steps together, as a Prefect flow of few coarse tasks.

Tasks hand on paths and small records. The files are the truth about what is done: a build that is started again goes
on where it was, whatever Prefect remembers.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from uuid import uuid4

from prefect import flow
from prefect.artifacts import create_link_artifact, create_table_artifact

from flows.privacy import privacy_task
from flows.progress import Run, listener, listening, told
from flows.samples import artifact_key, show_samples
from flows.server import SILENT
from flows.step import step
from flows.timekeeper import Timekeeper
from flows.utility import (
    Asked,
    asked,
    evaluated,
    forget_evaluation,
    gather_held_out_task,
    keep_evaluation_task,
    measure_task,
)
from flows.watching.watch import watch
from pipelines import actors
from pipelines.carry import carry_over, keep_record
from pipelines.encryption import read_key
from pipelines.fill import FillResult, StratumProgress, fill
from pipelines.filled import load_filled, refuse_shortfall, save_filled
from pipelines.fit import fit_validator
from pipelines.ingest import RealRows, ingest, ingested
from pipelines.layout import make_layout
from pipelines.lock import Hold, one_writer
from pipelines.plan import make_plan
from pipelines.pool import open_pool, refuse_own_disk
from pipelines.privacy.differential import privacy_spent
from pipelines.publish import REPORT, check_output, cleared_folder, make_manifest, publish, publishing_folder
from pipelines.ready import refuse_unwritable_output
from pipelines.registry import make_validators
from pipelines.report import render_card
from pipelines.storage import Folder, is_uri
from pipelines.stream import stream_seed
from pipelines.summary import summarise
from pipelines.validate.base import Novelty, Sketching
from pipelines.versions import announce_version
from pipelines.workspace import Workspace, workspace
from pipelines.write import content_hash, write_group
from schemas.arrow import dataset_schema
from schemas.evaluation import Evaluation
from schemas.manifest import Manifest, Shard
from schemas.output import Versions
from schemas.plan import Plan
from schemas.spec import GeneratorChoice, Source, Spec


@dataclass
class Clock:
    """Seconds by step, in order."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step, and tell the listener that it began."""
        listener().step(name)
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start


_plans: list[Plan] = []


@contextmanager
def planned(plan: Plan) -> Iterator[None]:
    """Let builds in this block go by a plan that was just made, which spares reading the source again.

    It is no parameter of the flow, since Prefect would have to write it down.
    """
    _plans.append(plan)
    try:
        yield
    finally:
        _plans.remove(plan)


def plan_at_hand() -> Plan | None:
    """Return the plan that builds go by here, if one was made already."""
    return _plans[-1] if _plans else None


@flow(name="makeweight-build", persist_result=False, validate_parameters=False)
def build(spec: Spec, replace: bool = False) -> Manifest:
    """Build the dataset that the spec asks for, publish it, and return its manifest.

    A build that is complete already is returned as it is; if the spec asks for an evaluation, once there is one.
    `replace` puts this build in the place of another one, once it is complete. Raises OutputError while another build
    writes the same output.
    """
    clock = Clock()
    plan = plan_at_hand()
    if plan is None:
        with clock.step("plan"):
            plan = plan_task(spec)
    place, wanted = workspace(spec.output.path, plan), asked(spec, plan)
    done = check_output(plan, place, replace)
    if done and not place.work.exists() and evaluated(wanted, place, done):
        return done
    refuse_unwritable_output(place)
    with one_writer(place) as hold:
        done = check_output(plan, place, replace)  # another build may have just ended
        if done:  # it was killed after it had published
            announce_version(place, spec.output.versions)
            place.work.remove()
            if evaluated(wanted, place, done):
                return done
        place.sweep()
        run = Run(str(uuid4()), plan, place)
        with listening(watch(), Timekeeper(spec.generator)), told(run), actors.cluster(spec.generator) as dashboard:
            listener().joined(dashboard)
            manifest = done or _steps(spec, plan, place, clock, hold, wanted)
            if done and wanted:
                keep_evaluation_task(place, done, _measured(wanted, plan, place, clock, done, place.output))
            listener().ended(manifest)
    with suppress(*SILENT):  # the dataset is there; what Prefect shows of it is no part of it
        announce(place, manifest)
    return manifest


def _measured(
    wanted: Asked, plan: Plan, place: Workspace, clock: Clock, manifest: Manifest, dataset: Folder
) -> Evaluation:
    with clock.step("evaluate"):
        return measure_task(wanted, plan, place, manifest, dataset)


def _steps(spec: Spec, plan: Plan, place: Workspace, clock: Clock, hold: Hold, wanted: Asked | None = None) -> Manifest:
    if wanted:
        with clock.step("held-out rows"):  # what is wrong with them is told before the work, not after it
            gather_held_out_task(wanted, plan, place)
    with clock.step("ingest"):
        real = ingest_task(spec.source, plan, place)
        if plan.base and spec.output.versions:
            plan, real = carry_task(plan, place, real, spec.output.versions)
    with clock.step("fit"):
        fit_task(plan, place, real, spec.generator)
    with clock.step("fill"):
        strata = fill_task(plan, place, spec.generator)
    hold.check()
    privacy = None
    if plan.privacy:
        with clock.step("privacy"):
            privacy = privacy_task(plan, place, real)
    forget_evaluation(place, wanted)
    with clock.step("write"):
        found = {"privacy": privacy, "differential_privacy": privacy_spent(plan, place.models)}
        manifest = write_task(plan, place, real, strata).model_copy(update=found)
    hold.check()
    dataset = publishing_folder(place)
    evaluation = _measured(wanted, plan, place, clock, manifest, dataset) if wanted else None
    hold.check()
    with clock.step("report"):
        publish_task(plan, place, real, manifest, clock.seconds, spec.output.versions, evaluation)
        if evaluation:
            keep_evaluation_task(place, manifest, evaluation)
    return manifest


@step
def plan_task(spec: Spec) -> Plan:
    """Read the source once, and fix what the build will do."""
    return make_plan(spec)


@step
def ingest_task(source: Source, plan: Plan, place: Workspace) -> RealRows:
    """Copy the source, typed, into the build's own folder."""
    place.keep_plan(plan)
    refuse_own_disk(place)
    return actors.run(ingest, source, plan, place.real)


@step
def carry_task(plan: Plan, place: Workspace, real: RealRows, rule: Versions) -> tuple[Plan, RealRows]:
    """Keep what the version before has made, as far as it may be kept; return the plan and the rows to go on with."""
    plan = actors.run(carry_over, plan, place, real, rule)
    return plan, ingested(place.real)


@step
def fit_task(plan: Plan, place: Workspace, real: RealRows, choice: GeneratorChoice) -> None:
    """Fit the generator and the validators on the real rows; nothing when no rows are to be made."""
    if not plan.makes_rows:
        return
    gpus = actors.gpu_share(plan, choice)
    actors.pool_size(plan, choice, gpus)  # what cannot be had is told before the work, not after it
    calls = [(plan, number, real, place) for number in range(len(plan.validators))]
    with actors.Fitting(plan, place, gpus) as fitting:
        for _ in actors.run_all(fit_validator, calls):
            pass
        fitting.wait(listener().trained)


@step
def fill_task(plan: Plan, place: Workspace, choice: GeneratorChoice) -> list[StratumProgress]:
    """Make candidates until every class is full; raises ShortfallError if the budget does not suffice."""
    result = load_filled(place.filled) or _fill(plan, place, choice)
    refuse_shortfall(plan, result.strata)
    save_filled(result, place.filled)
    return result.strata


def _fill(plan: Plan, place: Workspace, choice: GeneratorChoice) -> FillResult:
    if not plan.makes_rows:
        return FillResult([], [])
    with open_pool(plan, place, choice) as pool:
        listener().filling(plan, pool.actors)
        return fill(
            plan.strata,
            pool,
            seed=stream_seed(plan),
            attempts_per_row=plan.attempts_per_row,
            novelties=_novelties(plan),
            on_progress=listener().filled,
        )


def _novelties(plan: Plan) -> Callable[[], list[tuple[str, Novelty]]]:
    """Return what makes a stratum's memories: one for each validator that compares candidates with one another."""
    comparing = [validator for validator in make_validators(plan) if isinstance(validator, Sketching)]
    return lambda: [(validator.name, validator.novelty()) for validator in comparing]


@step
def write_task(plan: Plan, place: Workspace, real: RealRows, strata: list[StratumProgress]) -> Manifest:
    """Write the shards and return the manifest of the dataset, which is not published yet."""
    layout = actors.run(make_layout, plan, real, place)
    target, key = cleared_folder(place), read_key(plan.key_env)
    shards: list[Shard] = []

    def digests() -> Iterator[bytes]:
        calls = ((plan, layout, group, place, target, key) for group in layout.groups)
        for written in actors.run_all(write_group, calls):
            for one in written:
                shards.append(one.shard)
                yield one.digests

    total = content_hash(dataset_schema(plan.profile.columns), digests())
    return make_manifest(plan, strata, shards, total)


@step
def publish_task(
    plan: Plan,
    place: Workspace,
    real: RealRows,
    manifest: Manifest,
    seconds: dict[str, float],
    rule: Versions | None = None,
    evaluation: Evaluation | None = None,
) -> None:
    """Render the card and the report, and make the dataset visible; then drop what is not needed any more."""
    page = actors.run(summarise, plan, manifest, real, place, seconds, evaluation)
    actors.run(keep_record, plan, place, real)
    publish(place, manifest, render_card(manifest), page)
    announce_version(place, rule)
    place.work.remove()
    if plan.key_env:
        place.models.remove()  # a fitted model may hold rows, and nothing beside an encrypted dataset may


def announce(place: Workspace, manifest: Manifest) -> None:
    """Leave the counts and a link to the report with Prefect."""
    before = manifest.source_counts
    table = [{"class": name, "before": before[name], **counts.model_dump()} for name, counts in manifest.counts.items()]
    key = artifact_key(manifest.name, "class-counts")
    create_table_artifact(table=table, key=key, description=f"{manifest.name}: rows of each class")
    report = place.output.at(REPORT).shown
    link = report if is_uri(report) else f"file://{report}"
    key, told = artifact_key(manifest.name, "report"), f"{manifest.name}: {report}"
    create_link_artifact(link=link, key=key, link_text=f"Report of {manifest.name}", description=told)
    show_samples(place.output, manifest)
