"""A build on a worker: checked by the worker's policy first. Expected errors end its run with one plain message.

Knows no deployment. The labels `makeweight.dataset`, `makeweight.exit_code` and `makeweight.fault` (the code of a
refusal) of the run tell programs the result.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRunPolicy, State
from prefect.concurrency.sync import concurrency
from prefect.context import FlowRunContext
from prefect.states import Completed, Failed

from flows.build import build, publish_artifacts, use_plan
from flows.deployed.policy import worker_guard
from flows.preflight import refuse_unready
from flows.progress import Build, Listener, listen
from flows.server import SILENT
from flows.task import is_worth_retrying, step
from pipelines.dataset.versions import plan_build
from pipelines.plan.policy import Guard
from pipelines.plan.registry import generator_class
from pipelines.storage.folder import Folder, is_uri
from pipelines.storage.workspace import make_workspace
from schemas.access import touched
from schemas.errors import Fault, MakeweightError, SpecError
from schemas.manifest import Manifest
from schemas.plan import Plan
from schemas.spec import GeneratorChoice, Spec

DATASET, EXIT_CODE, FAULT = "makeweight.dataset", "makeweight.exit_code", "makeweight.fault"
"""The labels of a run: the path of its dataset, the exit code that the command line would have, a refusal's code."""
GPU_LIMIT = "makeweight-gpu"
"""The global concurrency limit of builds that may use a GPU. Without such a limit on the server, none waits."""


def build_on_worker(wanted: Callable[[Guard], Spec], replace: bool) -> State[Any]:
    """Check and build the spec that `wanted` returns, by this worker's policy; return the final state of the run.

    A MakeweightError ends the run with its message. Any other exception is raised; Prefect retries the run if the
    error may pass, and finished work is kept.
    """
    from flows.commands.console import QUIET

    for name, value in QUIET.items():  # nothing is reported from a worker either
        os.environ.setdefault(name, value)
    _log_plainly()
    try:
        spec, plan = check_task(wanted)
        output, manifest = _build(spec, plan, replace)
    except MakeweightError as error:
        _refuse_retries()
        _set_labels({EXIT_CODE: error.exit_code, FAULT: error.code})
        return Failed(message=str(error), data=error)
    except Exception as error:
        if not is_worth_retrying(error):
            _refuse_retries()
            _set_labels({EXIT_CODE: MakeweightError.exit_code})
        raise
    _set_labels({EXIT_CODE: 0, DATASET: output.shown})
    return Completed(message=f"{manifest.rows:,} rows, exactly on target: {output.shown}")


@step
def check_task(wanted: Callable[[Guard], Spec]) -> tuple[Spec, Plan]:
    """Check the spec by this worker's policy, read the source, and make the plan.

    Raises SpecError before anything is read that the policy does not allow.
    """
    guard = worker_guard()
    spec = guard.admitted(wanted(guard))
    plan = plan_build(spec)
    guard.admit_plan(plan)
    return spec, plan


def _build(spec: Spec, plan: Plan, replace: bool) -> tuple[Folder, Manifest]:
    """Build within this flow run, so that steps and artifacts are on its page."""
    refuse_unready(spec, plan)
    seen, workspace = _StartNote(), make_workspace(spec.output.path, plan)
    with wait_for_gpu_slot(plan, spec.generator), use_plan(spec, plan), listen(seen):
        manifest = build.fn(spec, replace)
    if not seen.began:  # it was complete already: the run's page shows its artifacts all the same
        with suppress(*SILENT):
            publish_artifacts(workspace, manifest)
    return workspace.output, manifest


class _StartNote(Listener):
    """Notes whether a build started work."""

    began = False

    def started(self, build: Build) -> None:  # noqa: ARG002 (the protocol's)
        self.began = True


@contextmanager
def wait_for_gpu_slot(plan: Plan, choice: GeneratorChoice) -> Iterator[None]:
    """Hold a slot of the server's limit of GPU builds, if there is one and this build may use a GPU."""
    takes = choice.gpus if choice.gpus is not None else generator_class(plan.generator.name).capabilities.uses_gpu
    if not (plan.makes_rows and takes):
        yield
        return
    with concurrency(GPU_LIMIT):
        yield


def refuse_relative(spec: Spec, why: str) -> None:
    """Raise SpecError for relative paths in a spec that is in no folder."""
    paths = {one.keys: one.name for one in touched(spec) if one.kind in ("read", "write")}
    relative = {keys: path for keys, path in paths.items() if not is_uri(path) and not os.path.isabs(path)}
    if relative:
        problem = f"is relative, and {why}; give a URI, or the whole path as the worker knows it, got"
        raise SpecError(*(Fault(keys, f"{problem} {path!r}") for keys, path in relative.items()))


class _Plain(logging.Filter):
    """Removes the traceback from the log record of a MakeweightError."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, MakeweightError):
            record.msg, record.args, record.exc_info = str(error), (), None
        return True


_plain = _Plain()


def _log_plainly() -> None:
    """Add the filter for good, since Prefect logs errors after the end of the flow, too."""
    for name in ("prefect.task_runs", "prefect.flow_runs"):
        logging.getLogger(name).addFilter(_plain)  # one that is there already is not added again


def _refuse_retries() -> None:
    """Tell the server not to retry this run."""
    with suppress(*SILENT), get_client(sync_client=True) as client:
        client.update_flow_run(_run_id(), empirical_policy=FlowRunPolicy(retries=0))


def _set_labels(labels: dict[str, Any]) -> None:
    with suppress(*SILENT), get_client(sync_client=True) as client:
        client.update_flow_run_labels(_run_id(), labels)


def _run_id() -> UUID:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise RuntimeError("this is no flow run")
    return context.flow_run.id
