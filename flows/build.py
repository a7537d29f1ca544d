"""The build: the one place that strings the steps together, as a Prefect flow of few coarse tasks.

The files are the truth about what is done: a build that is started again goes on where it was, whatever Prefect
remembers.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace as changed
from functools import partial

from prefect.artifacts import create_link_artifact, create_table_artifact

from flows.mending import mending
from flows.privacy import privacy_task
from flows.progress import All, Build, listener
from flows.samples import artifact_key, show_samples
from flows.server import SILENT, served_flow
from flows.steps import (
    carry_task,
    fill_task,
    finish_task,
    fit_task,
    ingest_task,
    plan_task,
    publish_task,
    write_task,
)
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
)
from flows.watching.watch import watch
from pipelines.dataset.beside import find_missing_companions
from pipelines.dataset.claim import Replace, check_output, claim_output, refuse_foreign_companions
from pipelines.dataset.ledger import has_ledger
from pipelines.dataset.prune import prune_stale_work
from pipelines.dataset.publish import publishing_folder
from pipelines.dataset.versions import find_series_faults
from pipelines.engine import actors
from pipelines.engine.kinds import choose_machine
from pipelines.fit.fitting import privacy_spent
from pipelines.storage.folder import Folder, is_uri
from pipelines.storage.lock import Hold, lock_output
from pipelines.storage.ready import refuse_unwritable_output
from pipelines.storage.workspace import Workspace, make_workspace
from schemas.errors import OutputError
from schemas.evaluation import Evaluation
from schemas.manifest import REPORT, Manifest
from schemas.plan import Plan
from schemas.spec import Spec

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
    run = _begun(spec)
    place, wanted = run.place, asked(spec, run.plan)
    done = check_output(run.plan, place, replace)
    if done and not evaluated(wanted, place, done):
        refuse_foreign_companions(place, done, EVALUATIONS)
    elif done and not place.work.exists() and not has_ledger(place) and _is_shown(place, done):
        return done
    refuse_unwritable_output(place)
    with lock_output(place) as hold:
        done = check_output(run.plan, place, replace)  # another build may have just ended
        with hold.committing():
            claim_output(run.plan, place)
        if done:  # it was stopped after it had published, or has lost what shows it
            with hold.committing():
                forget_evaluation(place, done, wanted)
            finish_task(run, done, hold)
            if evaluated(wanted, place, done):
                return done
        with suppress(OSError, OutputError), hold.committing():  # what stays is tried again by the next build
            place.sweep()
            prune_stale_work(place, run.plan)
        run = changed(run, listener=All(run.listener, Fenced(hold), watch(), Timekeeper(spec.generator)))
        with run.told(), actors.join_cluster(spec.generator) as dashboard:
            run.listener.joined(dashboard)
            manifest = mending(run, partial(_rest, run, hold, wanted, done))
            run.listener.ended(manifest)
    with suppress(*SILENT):  # the dataset is there; what Prefect shows of it is no part of it
        announce(place, manifest)
    return manifest


def _begun(spec: Spec) -> Build:
    """Return a run of the build, by the plan that is at hand or one that is made now."""
    plan, heard, start = plan_at_hand(spec), listener(), time.perf_counter()
    if plan:
        return Build(spec, plan, make_workspace(spec.output.path, plan), heard)
    heard.step("plan")
    plan = plan_task(spec)
    took = time.perf_counter() - start
    return Build(spec, plan, make_workspace(spec.output.path, plan), heard, seconds={"plan": took})


def _is_shown(place: Workspace, done: Manifest) -> bool:
    """Whether a complete dataset has all that shows it to readers."""
    return not find_missing_companions(place, done) and not (place.series and find_series_faults(place.series))


def _rest(run: Build, hold: Hold, wanted: Asked | None, done: Manifest | None) -> Manifest:
    """Do what is left to do: of a complete dataset the evaluation alone."""
    manifest = done or _steps(run, hold, wanted)
    if done and wanted:
        keep_evaluation_task(run, done, _measured(run, wanted, done, run.output), hold)
    return manifest


def _measured(run: Build, wanted: Asked, manifest: Manifest, dataset: Folder) -> Evaluation:
    with run.step("evaluate"):
        return measure_task(run, wanted, manifest, dataset)


def _steps(run: Build, hold: Hold, wanted: Asked | None) -> Manifest:
    run = changed(run, plan=choose_machine(run.plan, run.place, run.spec.generator))
    if wanted:
        with run.step("held-out rows"):  # what is wrong with them is told before the work, not after it
            gather_held_out_task(run, wanted)
    with run.step("ingest"):
        real = ingest_task(run)
        if run.plan.base:
            run, real = carry_task(run, real)
    with run.step("fit"):
        fit_task(run, real)
    with run.step("fill"):
        strata = fill_task(run)
    privacy = None
    if run.plan.privacy:
        with run.step("privacy"):
            privacy = privacy_task(run, real)
    with run.step("write"):
        found = {"privacy": privacy, "differential_privacy": privacy_spent(run.plan, run.place.models)}
        manifest = write_task(run, real, strata, hold).model_copy(update=found)
    evaluation = _measured(run, wanted, manifest, publishing_folder(run.place)) if wanted else None
    with run.step("report"):
        manifest = publish_task(run, real, manifest, hold, evaluation)
        with hold.committing():
            forget_evaluation(run.place, manifest, wanted)
        if evaluation:
            keep_evaluation_task(run, manifest, evaluation, hold)
        finish_task(run, manifest, hold)
    return manifest


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
