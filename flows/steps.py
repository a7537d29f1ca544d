"""The steps of a build as Prefect tasks, in their order. Each gets the build, and results of the steps before.

Tasks pass on paths and small records. The results of a step are in the workspace when it ends. So each step may run
twice, and a step that is done already ends at once.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from flows.evaluation_steps import rewrite_evaluation_page
from flows.progress import Build
from flows.task import step
from pipelines.dataset.companions import rewrite_missing_companions
from pipelines.dataset.layout import make_layout
from pipelines.dataset.ledger import close_ledger
from pipelines.dataset.prune import prune_output
from pipelines.dataset.publish import make_manifest, publish_dataset, publishing_folder, register_shards, shard_tag
from pipelines.dataset.top_up import carry_over, write_record
from pipelines.dataset.versions import plan_build, publish_latest
from pipelines.dataset.write import content_hash, write_group
from pipelines.engine import actors
from pipelines.engine.machines import pin_to_machine
from pipelines.engine.pool import open_pool, refuse_unshared_output
from pipelines.fill.loop import FillResult, StratumProgress, fill
from pipelines.fill.result import filled_before, refuse_shortfall, save_filled
from pipelines.fit.fitting import fit_validator
from pipelines.plan.registry import make_validators
from pipelines.plan.stream import stream_seed
from pipelines.report import describe, render_card
from pipelines.report.summary import summarise
from pipelines.source.ingest import RealRows, ingest, ingested
from pipelines.storage.encryption import read_key
from pipelines.storage.lock import Hold
from pipelines.validate.base import Novelty, Sketching
from schemas.arrow import dataset_schema
from schemas.errors import OutputError
from schemas.evaluation import Evaluation
from schemas.manifest import Manifest, Shard
from schemas.plan import Plan
from schemas.spec import Spec


@step
def plan_task(spec: Spec) -> Plan:
    """Read the source once, and make the plan."""
    return plan_build(spec)


@step
def ingest_task(build: Build) -> RealRows:
    """Write the plan and a typed copy of the source into the workspace."""
    build.workspace.keep_plan(build.plan)
    refuse_unshared_output(build.workspace)
    return actors.run(ingest, build.spec.source, build.plan, build.workspace.real)


@step
def carry_task(build: Build, real: RealRows) -> tuple[Build, RealRows]:
    """Carry over what may be kept of the version before; return the build with its new plan, and renumbered rows."""
    plan = actors.run(carry_over, build.plan, build.workspace, real, build.spec.output.versions)
    return replace(build, plan=plan), ingested(build.workspace.real)


@step
def fit_task(build: Build, real: RealRows) -> None:
    """Fit the generator and the validators on the real rows, unless no rows are to be made."""
    plan, workspace, choice = build.plan, build.workspace, build.spec.generator
    if not plan.makes_rows:
        return
    gpus = actors.gpu_share(plan, choice)
    where = pin_to_machine(plan, choice)
    calls = [(plan, number, real, workspace) for number in range(len(plan.validators))]
    with actors.Fitting(plan, workspace, gpus, where) as fitting:
        for _ in actors.run_all(fit_validator, calls, fitting.release_if_done, where):
            pass
        fitting.wait(build.listener.trained)


@step
def fill_task(build: Build) -> list[StratumProgress]:
    """Make candidates until every class is full; raises ShortfallError if the budget is used up before."""
    result = filled_before(build.workspace.filled) or _fill(build)
    refuse_shortfall(build.plan, result.strata)
    save_filled(result, build.workspace.filled)
    return result.strata


def _fill(build: Build) -> FillResult:
    plan = build.plan
    if not plan.makes_rows:
        return FillResult([], [])
    with open_pool(plan, build.workspace, build.spec.generator) as pool:
        build.listener.filling(plan, pool.actors)
        result = fill(
            plan.strata,
            pool,
            seed=stream_seed(plan),
            attempts_per_row=plan.attempts_per_row,
            novelties=_novelties(plan),
            on_progress=build.listener.filled,
        )
        if pool.remade:
            build.listener.noted(f"{pool.remade:,} staged chunk(s) were damaged; made again")
        return result


def _novelties(plan: Plan) -> Callable[[], list[tuple[str, Novelty]]]:
    """Return a function that makes the novelties of a stratum: one for each validator that compares candidates."""
    comparing = [validator for validator in make_validators(plan) if isinstance(validator, Sketching)]
    return lambda: [(validator.name, validator.novelty()) for validator in comparing]


@step
def write_task(build: Build, real: RealRows, strata: list[StratumProgress], hold: Hold) -> Manifest:
    """Write the shards, and return the manifest, which is not published yet."""
    plan, workspace = build.plan, build.workspace
    layout = actors.run(make_layout, plan, real, workspace, shard_tag(plan, workspace))
    with hold.committing():
        register_shards(workspace, [shard.path for group in layout.groups for shard in group.shards])
    target, key = publishing_folder(workspace), read_key(plan.key_env)
    shards: list[Shard] = []

    def digests() -> Iterator[bytes]:
        calls = ((plan, layout, group, workspace, target, key, hold.lease) for group in layout.groups)
        for written in actors.run_all(write_group, calls):
            for one in written:
                shards.append(one.shard)
                yield one.digests

    total = content_hash(dataset_schema(plan.profile.columns), digests())
    return make_manifest(plan, strata, shards, total)


@step
def publish_task(
    build: Build, real: RealRows, manifest: Manifest, hold: Hold, evaluation: Evaluation | None = None
) -> Manifest:
    """Render report, card and Croissant file, publish the dataset, and return its manifest as published."""
    plan, workspace = build.plan, build.workspace
    page = actors.run(summarise, plan, manifest, real, workspace, build.seconds, evaluation)
    with hold.committing():
        actors.run(write_record, plan, workspace, real)
        return publish_dataset(workspace, manifest, describe(manifest), page)


@step
def finish_task(build: Build, manifest: Manifest, hold: Hold) -> None:
    """Publish which version is newest, write missing companions again, and remove what is no longer needed.

    A failure to remove something becomes a note: the dataset is published.
    """
    workspace = build.workspace
    with hold.committing():
        publish_latest(workspace, render_card)
        lost = rewrite_missing_companions(workspace, manifest, describe)
        rewrite_evaluation_page(workspace, manifest)
        try:
            close_ledger(workspace, manifest)
            notes = prune_output(workspace, build.plan, build.spec.output.versions)
            workspace.sweep()
            workspace.work.remove()
        except (OSError, OutputError) as error:
            left = "published; what is no longer needed could not all be removed, the next build tries again"
            notes = [f"{left}: {error.__cause__ or error}"]
    for note in [*lost, *notes]:
        build.listener.noted(note)
