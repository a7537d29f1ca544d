"""The build: a Prefect flow of few large tasks, and the only module that calls the steps in their order.

Files say which steps are done, not Prefect: a build that is started again goes on where it was.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace as changed
from functools import partial

from prefect.artifacts import create_link_artifact, create_table_artifact

from flows.evaluation_steps import (
    EVALUATIONS,
    EvaluationRequest,
    gather_held_out_task,
    is_evaluated,
    keep_evaluation_task,
    measure_task,
    remove_stale_evaluation,
    requested_evaluation,
)
from flows.mending import retry_after_mending
from flows.privacy_step import privacy_task
from flows.progress import Broadcast, Build, current_listener
from flows.samples import artifact_key, publish_samples
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
from flows.stopping import StopWhenLost
from flows.timing import Timekeeper
from flows.watching.watchers import make_watch
from pipelines.dataset.companions import find_missing_companions
from pipelines.dataset.ledger import has_ledger
from pipelines.dataset.ownership import Replace, check_output, claim_output, refuse_foreign_companions
from pipelines.dataset.prune import prune_stale_work
from pipelines.dataset.publish import publishing_folder
from pipelines.dataset.versions import find_series_faults
from pipelines.engine import actors
from pipelines.engine.machines import choose_machine
from pipelines.fit.fitting import privacy_spent
from pipelines.storage.folder import Folder, is_uri
from pipelines.storage.lock import Hold, lock_output
from pipelines.storage.workspace import Workspace, make_workspace
from pipelines.storage.writable import refuse_unwritable_output
from schemas.errors import OutputError
from schemas.evaluation import Evaluation
from schemas.manifest import REPORT, Manifest
from schemas.plan import Plan
from schemas.spec import Spec

_planned: ContextVar[tuple[Spec, Plan] | None] = ContextVar("planned", default=None)


@contextmanager
def use_plan(spec: Spec, plan: Plan) -> Iterator[None]:
    """Let builds of this spec in this block use a plan that was just made, so that the source is not read again.

    The plan is no parameter of the flow, since Prefect would have to serialise it.
    """
    before = _planned.set((spec, plan))
    try:
        yield
    finally:
        _planned.reset(before)


def find_given_plan(spec: Spec) -> Plan | None:
    """Return the plan of this spec that `use_plan` gave, or None."""
    found = _planned.get()
    return found[1] if found and found[0] == spec else None


@served_flow("makeweight-build")
def build(spec: Spec, replace: Replace = False) -> Manifest:
    """Build the dataset that the spec asks for, publish it, and return its manifest.

    If the dataset is complete already, with its evaluation if one is asked for, its manifest is returned at once.
    `replace` lets this build replace another one: True one of the same name, a name the dataset of that name. Raises
    SpecError or SourceError for faults of spec and source, and OutputError while another build writes the output.

    Example::

        from flows.build import build
        from flows.spec_file import load_spec

        spec, _ = load_spec("spec.yaml")
        manifest = build(spec)
        print(manifest.rows, manifest.counts)
    """
    run = _begin_run(spec)
    workspace, wanted = run.workspace, requested_evaluation(spec, run.plan)
    done = check_output(run.plan, workspace, replace)
    if done and not is_evaluated(wanted, workspace, done):
        refuse_foreign_companions(workspace, done, EVALUATIONS)
    elif done and not workspace.work.exists() and not has_ledger(workspace) and _has_all_companions(workspace, done):
        return done
    refuse_unwritable_output(workspace)
    with lock_output(workspace) as hold:
        done = check_output(run.plan, workspace, replace)  # another build may have just ended
        with hold.committing():
            claim_output(run.plan, workspace)
        if done:  # an earlier run was stopped after publishing, or files beside the shards are missing
            with hold.committing():
                remove_stale_evaluation(workspace, done, wanted)
            finish_task(run, done, hold)
            if is_evaluated(wanted, workspace, done):
                return done
        with suppress(OSError, OutputError), hold.committing():  # the next build tries again to remove the rest
            workspace.sweep()
            prune_stale_work(workspace, run.plan)
        run = changed(
            run, listener=Broadcast(run.listener, StopWhenLost(hold), make_watch(), Timekeeper(spec.generator))
        )
        with run.reported(), actors.join_cluster(spec.generator) as dashboard:
            run.listener.joined(dashboard)
            manifest = retry_after_mending(run, partial(_run_remaining, run, hold, wanted, done))
            run.listener.ended(manifest)
    with suppress(*SILENT):  # the dataset is published, whether Prefect can show it or not
        publish_artifacts(workspace, manifest)
    return manifest


def _begin_run(spec: Spec) -> Build:
    """Return a run of the build with the given plan, or with one that is made now."""
    plan, listener, start = find_given_plan(spec), current_listener(), time.perf_counter()
    if plan:
        return Build(spec, plan, make_workspace(spec.output.path, plan), listener)
    listener.step("plan")
    plan = plan_task(spec)
    took = time.perf_counter() - start
    return Build(spec, plan, make_workspace(spec.output.path, plan), listener, seconds={"plan": took})


def _has_all_companions(workspace: Workspace, done: Manifest) -> bool:
    """Whether a complete dataset has all files beside its shards, and those beside its versions."""
    return not find_missing_companions(workspace, done) and not (
        workspace.series and find_series_faults(workspace.series)
    )


def _run_remaining(run: Build, hold: Hold, wanted: EvaluationRequest | None, done: Manifest | None) -> Manifest:
    """Run the remaining steps: all of a build, or only the evaluation of a complete dataset."""
    manifest = done or _run_steps(run, hold, wanted)
    if done and wanted:
        keep_evaluation_task(run, done, _measure(run, wanted, done, run.output), hold)
    return manifest


def _measure(run: Build, wanted: EvaluationRequest, manifest: Manifest, dataset: Folder) -> Evaluation:
    with run.step("evaluate"):
        return measure_task(run, wanted, manifest, dataset)


def _run_steps(run: Build, hold: Hold, wanted: EvaluationRequest | None) -> Manifest:
    run = changed(run, plan=choose_machine(run.plan, run.workspace, run.spec.generator))
    if wanted:
        with run.step("held-out rows"):  # their faults are raised before the work, not after it
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
        found = {"privacy": privacy, "differential_privacy": privacy_spent(run.plan, run.workspace.models)}
        manifest = write_task(run, real, strata, hold).model_copy(update=found)
    evaluation = _measure(run, wanted, manifest, publishing_folder(run.workspace)) if wanted else None
    with run.step("report"):
        manifest = publish_task(run, real, manifest, hold, evaluation)
        with hold.committing():
            remove_stale_evaluation(run.workspace, manifest, wanted)
        if evaluation:
            keep_evaluation_task(run, manifest, evaluation, hold)
        finish_task(run, manifest, hold)
    return manifest


def publish_artifacts(workspace: Workspace, manifest: Manifest) -> None:
    """Publish the counts, a link to the report and sample rows as Prefect artifacts."""
    before = manifest.source_counts
    table = [{"class": name, "before": before[name], **counts.model_dump()} for name, counts in manifest.counts.items()]
    key = artifact_key(manifest.name, "class-counts")
    create_table_artifact(table=table, key=key, description=f"{manifest.name}: rows of each class")
    report = workspace.output.at(REPORT).shown
    link = report if is_uri(report) else f"file://{report}"
    key, told = artifact_key(manifest.name, "report"), f"{manifest.name}: {report}"
    create_link_artifact(link=link, key=key, link_text=f"Report of {manifest.name}", description=told)
    publish_samples(workspace.output, manifest)
