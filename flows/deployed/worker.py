"""How a worker builds: it checks first, and what was explained to the user ends its run as one plain message.

Knows no deployment. The run's labels say what a program wants to know: `makeweight.dataset`, `makeweight.exit_code`.
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
from flows.progress import Build, Listener, listen
from flows.ready import refuse_unready
from flows.server import SILENT
from flows.step import is_worth_retrying, step
from pipelines.dataset.versions import plan_build
from pipelines.plan.guard import Guard
from pipelines.plan.registry import generator_class
from pipelines.storage.folder import Folder, is_uri
from pipelines.storage.workspace import make_workspace
from schemas.errors import Fault, MakeweightError, SpecError
from schemas.manifest import Manifest
from schemas.plan import Plan
from schemas.spec import GeneratorChoice, Spec

DATASET, EXIT_CODE = "makeweight.dataset", "makeweight.exit_code"
"""The labels of a run: where its dataset is, and what the command line would have ended with."""
GPU_LIMIT = "makeweight-gpu"
"""The global concurrency limit that a build takes a slot of if it may use a GPU; without it, nothing is limited."""


def build_on_worker(wanted: Callable[[Guard], Spec], replace: bool) -> State[Any]:
    """Check and build what is `wanted`, by this worker's policy; return the state that the run ends in.

    What was explained to the user ends the run at once, with the explanation as its message. Anything else is raised;
    Prefect tries again where it may pass, finished work is kept.
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
        _set_labels({EXIT_CODE: error.exit_code})
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
    """Read the source and make the plan, before anything is queued for actors; raises what cannot be built.

    What goes against this worker's policy is refused before anything of it is read.
    """
    guard = worker_guard()
    spec = guard.admitted(wanted(guard))
    plan = plan_build(spec)
    guard.admit_plan(plan)
    return spec, plan


def _build(spec: Spec, plan: Plan, replace: bool) -> tuple[Folder, Manifest]:
    """Build in this very run, so that its steps and artifacts are on its page."""
    refuse_unready(spec, plan)
    seen, place = _StartNote(), make_workspace(spec.output.path, plan)
    with wait_for_gpu_slot(plan, spec.generator), use_plan(spec, plan), listen(seen):
        manifest = build.fn(spec, replace)
    if not seen.began:  # it was complete already; who asked for it looks for it here
        with suppress(*SILENT):
            publish_artifacts(place, manifest)
    return place.output, manifest


class _StartNote(Listener):
    """Notes whether a build did any work."""

    began = False

    def started(self, build: Build) -> None:  # noqa: ARG002 (the protocol's)
        self.began = True


@contextmanager
def wait_for_gpu_slot(plan: Plan, choice: GeneratorChoice) -> Iterator[None]:
    """Wait for a slot of the server's limit of GPU builds, if there is one and this build may use a GPU."""
    takes = choice.gpus if choice.gpus is not None else generator_class(plan.generator.name).capabilities.uses_gpu
    if not (plan.makes_rows and takes):
        yield
        return
    with concurrency(GPU_LIMIT):
        yield


def refuse_relative(spec: Spec, why: str) -> None:
    """Refuse relative paths, which mean nothing where a spec is not in a folder."""
    test = spec.evaluate.test if spec.evaluate else None
    paths = {("source", "path"): spec.source.path, ("evaluate", "test"): test, ("output", "path"): spec.output.path}
    relative = {keys: path for keys, path in paths.items() if path and not is_uri(path) and not os.path.isabs(path)}
    if relative:
        problem = f"is relative, and {why}; give a URI, or the whole path as the worker knows it, got"
        raise SpecError(*(Fault(keys, f"{problem} {path!r}") for keys, path in relative.items()))


class _Plain(logging.Filter):
    """Takes the traceback from what is logged of a failure that was explained to the user."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, MakeweightError):
            record.msg, record.args, record.exc_info = str(error), (), None
        return True


_plain = _Plain()


def _log_plainly() -> None:
    """Show no traceback of such failures on the run's page, from now on: Prefect logs after the flow's end too."""
    for name in ("prefect.task_runs", "prefect.flow_runs"):
        logging.getLogger(name).addFilter(_plain)  # one that is there already is not added again


def _refuse_retries() -> None:
    """Tell the server that this run is not to be tried again."""
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
