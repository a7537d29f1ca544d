"""The build: the one place that strings the steps together, as a Prefect flow of few coarse tasks.

Tasks hand on paths and small records. The files are the truth about what is done: a build that is started again goes
on where it was, whatever Prefect remembers.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

from prefect.artifacts import create_link_artifact, create_table_artifact

from flows.mending import mending
from flows.privacy import privacy_task
from flows.progress import Run, listener, listening, told
from flows.samples import artifact_key, show_samples
from flows.server import SILENT, served_flow
from flows.step import step
from flows.stopping import Fenced
from flows.timekeeper import Timekeeper
from flows.utility import (
    EVALUATIONS,
    Asked,
    asked,
    evaluated,
    forget_evaluation,
    gather_held_out_task,
    keep_evaluation_task,
    measure_task,
    show_page_again,
)
from flows.watching.watch import watch
from pipelines.dataset.beside import missing_beside, write_again
from pipelines.dataset.carry import carry_over, keep_record
from pipelines.dataset.claim import Replace, check_output, claim, refuse_strange
from pipelines.dataset.layout import make_layout
from pipelines.dataset.ledger import is_open, settle
from pipelines.dataset.prune import prune, prune_stale
from pipelines.dataset.publish import begin_shards, make_manifest, publish, publishing_folder, shard_tag
from pipelines.dataset.versions import faults_beside, name_newest, plan_build
from pipelines.dataset.write import content_hash, write_group
from pipelines.engine import actors
from pipelines.engine.kinds import at_home, choose_kind
from pipelines.engine.pool import open_pool, refuse_own_disk
from pipelines.fill.filled import filled_before, refuse_shortfall, save_filled
from pipelines.fill.loop import FillResult, StratumProgress, fill
from pipelines.fit.fitting import fit_validator, privacy_spent
from pipelines.plan.registry import make_validators
from pipelines.plan.stream import stream_seed
from pipelines.report import describe, render_card
from pipelines.report.summary import summarise
from pipelines.source.ingest import RealRows, ingest, ingested
from pipelines.storage.encryption import read_key
from pipelines.storage.folder import Folder, is_uri
from pipelines.storage.lock import Hold, one_writer
from pipelines.storage.ready import refuse_unwritable_output
from pipelines.storage.workspace import Workspace, workspace
from pipelines.validate.base import Novelty, Sketching
from schemas.arrow import dataset_schema
from schemas.errors import OutputError
from schemas.evaluation import Evaluation
from schemas.manifest import REPORT, Manifest, Shard
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


_planned: ContextVar[tuple[Spec, Plan] | None] = ContextVar("planned", default=None)


@contextmanager
def planned(spec: Spec, plan: Plan) -> Iterator[None]:
    """Let builds of this spec in this block go by its plan that was just made, which spares reading the source again.

    It is no parameter of the flow, since Prefect would have to write it down.
    """
    before = _planned.set((spec, plan))
    try:
        yield
    finally:
        _planned.reset(before)


def plan_at_hand(spec: Spec) -> Plan | None:
    """Return the plan that was made already of this very spec, if there is one here."""
    found = _planned.get()
    return found[1] if found and found[0] == spec else None


@served_flow("makeweight-build")
def build(spec: Spec, replace: Replace = False) -> Manifest:
    """Build the dataset that the spec asks for, publish it, and return its manifest.

    A build that is complete already is returned as it is; if the spec asks for an evaluation, once there is one.
    `replace` puts this build in the place of another one of the same name, or of the dataset that it names, once it is
    complete. Raises OutputError while another build writes the same output.
    """
    clock = Clock()
    plan = plan_at_hand(spec)
    if plan is None:
        with clock.step("plan"):
            plan = plan_task(spec)
    place, wanted = workspace(spec.output.path, plan), asked(spec, plan)
    done = check_output(plan, place, replace)
    if done and not evaluated(wanted, place, done):
        refuse_strange(place, done, EVALUATIONS)
    elif done and not place.work.exists() and not is_open(place) and _is_shown(place, done):
        return done
    refuse_unwritable_output(place)
    with one_writer(place) as hold:
        done = check_output(plan, place, replace)  # another build may have just ended
        with hold.committing():
            claim(plan, place)
        if done:  # it was stopped after it had published, or has lost what shows it
            with hold.committing():
                forget_evaluation(place, done, wanted)
            finish_task(plan, place, done, spec.output.versions, hold)
            if evaluated(wanted, place, done):
                return done
        with suppress(OSError, OutputError), hold.committing():  # what stays is tried again by the next build
            place.sweep()
            prune_stale(place, plan)
        run = Run(str(uuid4()), plan, place)
        with (
            listening(Fenced(hold), watch(), Timekeeper(spec.generator)),
            told(run),
            actors.cluster(spec.generator) as dashboard,
        ):
            listener().joined(dashboard)
            manifest = mending(place, partial(_rest, spec, plan, place, clock, hold, wanted, done))
            listener().ended(manifest)
    with suppress(*SILENT):  # the dataset is there; what Prefect shows of it is no part of it
        announce(place, manifest)
    return manifest


def _is_shown(place: Workspace, done: Manifest) -> bool:
    """Whether a complete dataset has all that shows it to readers."""
    return not missing_beside(place, done) and not (place.series and faults_beside(place.series))


def _rest(
    spec: Spec, plan: Plan, place: Workspace, clock: Clock, hold: Hold, wanted: Asked | None, done: Manifest | None
) -> Manifest:
    """Do what is left to do: of a complete dataset the evaluation alone."""
    manifest = done or _steps(spec, plan, place, clock, hold, wanted)
    if done and wanted:
        keep_evaluation_task(place, done, _measured(wanted, plan, place, clock, done, place.output), hold)
    return manifest


def _measured(
    wanted: Asked, plan: Plan, place: Workspace, clock: Clock, manifest: Manifest, dataset: Folder
) -> Evaluation:
    with clock.step("evaluate"):
        return measure_task(wanted, plan, place, manifest, dataset)


def _steps(spec: Spec, plan: Plan, place: Workspace, clock: Clock, hold: Hold, wanted: Asked | None = None) -> Manifest:
    plan = choose_kind(plan, place, spec.generator)
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
    privacy = None
    if plan.privacy:
        with clock.step("privacy"):
            privacy = privacy_task(plan, place, real)
    with clock.step("write"):
        found = {"privacy": privacy, "differential_privacy": privacy_spent(plan, place.models)}
        manifest = write_task(plan, place, real, strata, hold).model_copy(update=found)
    dataset = publishing_folder(place)
    evaluation = _measured(wanted, plan, place, clock, manifest, dataset) if wanted else None
    with clock.step("report"):
        manifest = publish_task(plan, place, real, manifest, clock.seconds, hold, evaluation)
        with hold.committing():
            forget_evaluation(place, manifest, wanted)
        if evaluation:
            keep_evaluation_task(place, manifest, evaluation, hold)
        finish_task(plan, place, manifest, spec.output.versions, hold)
    return manifest


@step
def plan_task(spec: Spec) -> Plan:
    """Read the source once, and fix what the build will do."""
    return plan_build(spec)


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
    where = at_home(plan, choice)
    calls = [(plan, number, real, place) for number in range(len(plan.validators))]
    with actors.Fitting(plan, place, gpus, where) as fitting:
        for _ in actors.run_all(fit_validator, calls, fitting.give_way, where):
            pass
        fitting.wait(listener().trained)


@step
def fill_task(plan: Plan, place: Workspace, choice: GeneratorChoice) -> list[StratumProgress]:
    """Make candidates until every class is full; raises ShortfallError if the budget does not suffice."""
    result = filled_before(place.filled) or _fill(plan, place, choice)
    refuse_shortfall(plan, result.strata)
    save_filled(result, place.filled)
    return result.strata


def _fill(plan: Plan, place: Workspace, choice: GeneratorChoice) -> FillResult:
    if not plan.makes_rows:
        return FillResult([], [])
    with open_pool(plan, place, choice) as pool:
        listener().filling(plan, pool.actors)
        result = fill(
            plan.strata,
            pool,
            seed=stream_seed(plan),
            attempts_per_row=plan.attempts_per_row,
            novelties=_novelties(plan),
            on_progress=listener().filled,
        )
        if pool.remade:
            listener().noted(f"{pool.remade:,} staged chunk(s) were damaged; made again")
        return result


def _novelties(plan: Plan) -> Callable[[], list[tuple[str, Novelty]]]:
    """Return what makes a stratum's memories: one for each validator that compares candidates with one another."""
    comparing = [validator for validator in make_validators(plan) if isinstance(validator, Sketching)]
    return lambda: [(validator.name, validator.novelty()) for validator in comparing]


@step
def write_task(plan: Plan, place: Workspace, real: RealRows, strata: list[StratumProgress], hold: Hold) -> Manifest:
    """Write the shards and return the manifest of the dataset, which is not published yet."""
    layout = actors.run(make_layout, plan, real, place, shard_tag(plan, place))
    with hold.committing():
        begin_shards(place, [shard.path for group in layout.groups for shard in group.shards])
    target, key = publishing_folder(place), read_key(plan.key_env)
    shards: list[Shard] = []

    def digests() -> Iterator[bytes]:
        calls = ((plan, layout, group, place, target, key, hold.lease) for group in layout.groups)
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
    hold: Hold,
    evaluation: Evaluation | None = None,
) -> Manifest:
    """Render the card and the report, and switch the output to the dataset; return its manifest as published."""
    page = actors.run(summarise, plan, manifest, real, place, seconds, evaluation)
    with hold.committing():
        actors.run(keep_record, plan, place, real)
        return publish(place, manifest, describe(manifest), page)


@step
def finish_task(plan: Plan, place: Workspace, manifest: Manifest, rule: Versions | None, hold: Hold) -> None:
    """Name the newest version, write again what was lost beside its shards, then drop what nobody needs.

    What cannot be dropped costs nobody the dataset.
    """
    with hold.committing():
        name_newest(place, render_card)
        lost = write_again(place, manifest, describe)
        show_page_again(place, manifest)
        try:
            settle(place, manifest)
            notes = prune(place, plan, rule)
            place.sweep()
            place.work.remove()
        except (OSError, OutputError) as error:
            left = "published; what is no longer needed could not all be removed, the next build tries again"
            notes = [f"{left}: {error.__cause__ or error}"]
    for note in [*lost, *notes]:
        listener().noted(note)


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
