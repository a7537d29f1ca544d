"""Calls to a Prefect server from the command line: request a dataset, wait for it, schedule builds.

Knows no step of a build: the flows that workers run are in `request.py` and `schedules.py`.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, cast
from uuid import UUID, uuid4

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy, FlowRun
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import DeploymentApplyError, RunnerDeployment
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL
from prefect.types.entrypoint import EntrypointType
from prefect.utilities.urls import url_for
from pydantic import ValidationError

from flows.deployed.request import request_balanced_dataset
from flows.deployed.schedules import scheduled_build
from flows.deployed.worker import DATASET, EXIT_CODE, FAULT, refuse_relative
from flows.server import WHO, explain_server_errors
from schemas.access import Keys
from schemas.errors import Fault, MakeweightError, SpecError
from schemas.secrets import all_redacted, redacted
from schemas.spec import Spec, parse

POOL = "makeweight"
REQUESTS = f"{request_balanced_dataset.name}/{POOL}"
LOOK_SECONDS, ALONE_SECONDS = 2.0, 20.0
"""Seconds between two checks of a run, and until the user is told that no worker takes it."""
PAUSES = (1.0, 3.0, 9.0, 20.0)
"""Seconds to wait before each new try to submit a request; its idempotency key lets the server take it once."""

_HOLDS = (
    "holds what may be credentials, which a Prefect server would keep and show, and without which it says something"
    " else; write it into a spec file that workers read (makeweight schedule), and credentials into their environment"
)


@dataclass(frozen=True)
class Request:
    """A requested run: `url` is its page; `exit_code`, `fault` and `dataset` are known when it has ended."""

    id: str
    url: str
    state: str
    message: str = ""
    exit_code: int | None = None
    fault: str | None = None
    dataset: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return lines for the terminal."""
        lines = [f"request  {self.state}{f': {self.message}' if self.message else ''}", f"page     {self.url}"]
        return [*lines, *([f"dataset  {self.dataset}"] if self.dataset else [])]


@dataclass(frozen=True)
class Scheduled:
    """A schedule on the server: the deployment's name, its page, and when it builds."""

    deployment: str
    url: str
    cron: str
    timezone: str

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return lines for the terminal."""
        return [f"schedule {self.cron} ({self.timezone}): {self.deployment}", f"page     {self.url}"]


@contextmanager
def connect_server() -> Iterator[SyncPrefectClient]:
    """Yield a client of the server that PREFECT_API_URL names; raises MakeweightError if there is none."""
    if not PREFECT_API_URL.value():
        raise MakeweightError(
            "no Prefect server is named; start one with `prefect server start`, and set PREFECT_API_URL to its address,"
            " as in http://127.0.0.1:4200/api"
        )
    with explain_server_errors(), get_client(sync_client=True) as client:
        yield client


def submit_request(spec: Spec, replace: bool, deployment: str = REQUESTS) -> Request:
    """Submit a request, as the deployment's form does, and return it; its credentials do not leave this process.

    Raises SpecError where the spec would ask for something else without what may be credentials.
    """
    told = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    refuse_relative(parse(Spec, told), "a request has no folder that it could start from")
    _refuse_altered(spec.whole(by_alias=True, exclude_unset=True), told)
    with connect_server() as client:
        parameters, key = {"spec": told, "replace": replace}, str(uuid4())

        def create_run() -> FlowRun:
            return client.create_flow_run_from_deployment(
                _read_deployment(client, deployment).id, parameters=parameters, name=spec.name, idempotency_key=key
            )

        try:
            return describe_run(_retry_busy(create_run))
        except PrefectHTTPStatusError as error:
            if error.response.status_code in WHO:
                raise
            raise _refusal_error(error, deployment) from error


def _refuse_altered(whole: Any, told: Any) -> None:
    """Raise SpecError for each value that what Prefect is told of it would change."""
    altered = [Fault(keys, _HOLDS) for keys in _altered(whole, told, ())]
    if altered:
        raise SpecError(*altered)


def _altered(whole: Any, told: Any, keys: Keys) -> Iterator[Keys]:
    """Yield the keys that lead to the values of `whole` that differ in `told`, which is built like it."""
    if isinstance(whole, dict | list):
        for key, value in whole.items() if isinstance(whole, dict) else enumerate(whole):
            yield from _altered(value, told[key], (*keys, key))
    elif whole != told:
        yield keys


def _retry_busy(call: Callable[[], FlowRun]) -> FlowRun:
    """Return what `call` returns; calls it again after a server error, as of a busy server on SQLite."""
    for pause in PAUSES:
        try:
            return call()
        except PrefectHTTPStatusError as error:
            if not error.response.is_server_error:
                raise
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 (so that not all come back at once)
    return call()


def _read_deployment(client: SyncPrefectClient, name: str) -> Any:
    try:
        return client.read_deployment_by_name(name)
    except (ObjectNotFound, ValueError):
        raise MakeweightError(
            f"the server has no deployment {name!r}; put it up from makeweight's own folder with"
            f" `prefect work-pool create {POOL} --type process --base-job-template"
            " infra/work-pool.json` and"
            " `prefect deploy --all --prefect-file infra/prefect.yaml`"
        ) from None


def _refusal_error(error: PrefectHTTPStatusError, deployment: str) -> MakeweightError:
    detail = error.response.json().get("detail") if error.response.is_client_error else None
    if error.response.status_code not in (409, 422):
        return MakeweightError(f"the Prefect server did not take the request: {error}")
    return SpecError(
        Fault(
            (), f"the deployment {deployment!r} takes no such spec: {detail}; is it of another version of makeweight?"
        )
    )


def describe_run(run: FlowRun) -> Request:
    """Return the state of a requested run."""
    state = run.state
    ended = bool(state and state.is_final())
    labels: Mapping[str, Any] = run.labels or {}
    code = int(labels.get(EXIT_CODE, 0 if state and state.is_completed() else 1)) if ended else None
    return Request(
        id=str(run.id),
        url=url_for(run) or "",
        state=(state.name if state else None) or "Scheduled",
        message=(state.message if state and ended else None) or "",
        exit_code=code,
        fault=str(labels[FAULT]) if FAULT in labels else None,
        dataset=str(labels[DATASET]) if DATASET in labels else None,
    )


def wait_for_request(request: Request, say: Callable[[str], None]) -> Request:
    """Wait until the request has ended, and return it; `say` gets each new state, and reasons why it waits."""
    before, began, warned = request, time.monotonic(), False
    while True:
        with connect_server() as client:
            run = client.read_flow_run(UUID(request.id))
            now = describe_run(run)
            if now.state != before.state:
                say(now.state)
            if now.exit_code is not None:
                return now
            if not warned and not run.start_time and time.monotonic() - began > ALONE_SECONDS:
                warned = _report_missing_worker(client, run, say)
        before = now
        time.sleep(LOOK_SECONDS)


def _report_missing_worker(client: SyncPrefectClient, run: FlowRun, say: Callable[[str], None]) -> bool:
    """Tell the user why no worker takes a run; return whether there was a reason."""
    pool = run.work_pool_name
    if pool is None:
        say("this deployment has no work pool, so no worker takes its runs; give it one")
        return True
    if client.read_work_pool(pool).is_paused:
        say(f"the work pool {pool!r} is paused; the request waits until `prefect work-pool resume {pool}`")
        return True
    if any(worker.status == "ONLINE" for worker in client.read_workers_for_work_pool(pool)):
        return False
    say(f"no worker serves the work pool {pool!r}; the request waits until `prefect worker start --pool {pool}`")
    return True


def deploy_schedule(spec: Spec, path: str, overrides: Sequence[str], cron: CronSchedule, replace: bool) -> Scheduled:
    """Deploy a schedule that builds the spec at a path or URI; a schedule of the same dataset is updated.

    Raises SpecError where the path or an override holds what may be credentials, which Prefect would keep and show.
    """
    for text in (path, *overrides):
        if all_redacted(text) != text:
            raise SpecError(Fault((), f"{redacted(text)!r} {_HOLDS}"))
    limit = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE)
    with connect_server() as client:
        try:
            client.read_work_pool(POOL)
        except ObjectNotFound:
            raise MakeweightError(
                f"the server has no work pool {POOL!r}; create it with `prefect work-pool create {POOL} --type process"
                " --base-job-template infra/work-pool.json`, from makeweight's own folder"
            ) from None
        deployment = RunnerDeployment.from_flow(
            scheduled_build,
            name=spec.name,
            schedules=[DeploymentScheduleCreate(schedule=cron, slug="makeweight")],
            parameters={"spec": path, "overrides": list(overrides), "replace": replace},
            concurrency_limit=limit,
            entrypoint_type=EntrypointType.MODULE_PATH,
            work_pool_name=POOL,
        )
        try:
            made = cast(UUID, deployment.apply())
        except DeploymentApplyError as error:
            raise MakeweightError(f"the Prefect server did not take the schedule: {error}") from error
        page = url_for("deployment", obj_id=made) or ""
        return Scheduled(deployment.full_name, page, cron.cron, cron.timezone or "UTC")


def parse_cron(cron: str, timezone: str) -> CronSchedule:
    """Return the schedule of a cron string and a time zone; raises SpecError if one of them is wrong."""
    try:
        return CronSchedule(cron=cron, timezone=timezone)
    except ValidationError as error:
        keys = {str(part) for detail in error.errors() for part in detail["loc"]}
        if "timezone" in keys:
            problem = f"--timezone: no time zone of the IANA's list, got {timezone!r}; as in Europe/Berlin"
        else:
            problem = (
                f"--cron: no schedule, got {cron!r}; it has five fields, minute hour day month weekday:"
                " '0 2 * * *' is each night at two"
            )
        raise SpecError(Fault((), problem)) from None
