"""Deployments on a Prefect server, seen from the command line: ask for a dataset, wait for it, schedule one, be told.

Knows no step of a build: what runs is in `request.py` and `scheduled.py`, on a worker.
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
from flows.deployed.scheduled import scheduled_build
from flows.deployed.worker import DATASET, EXIT_CODE, refuse_relative
from flows.server import WHO, server_explained
from schemas.errors import Fault, MakeweightError, SpecError
from schemas.secrets import all_redacted, redacted
from schemas.spec import Spec, parse
from schemas.touch import Keys

POOL = "makeweight"
REQUESTS = f"{request_balanced_dataset.name}/{POOL}"
LOOK_SECONDS, ALONE_SECONDS = 2.0, 20.0
"""Seconds from one look at a run to the next, and until it is said that nobody takes it."""
PAUSES = (1.0, 3.0, 9.0, 20.0)
"""Seconds after which a request is put in once more; the server knows it again, and takes it once."""

_HOLDS = (
    "holds what may be credentials, which a Prefect server would keep and show, and without which it says something"
    " else; write it into a spec file that workers read (makeweight schedule), and credentials into their environment"
)


@dataclass(frozen=True)
class Request:
    """A run that was asked for: `url` is its page; `exit_code` and `dataset` are known when it has ended."""

    id: str
    url: str
    state: str
    message: str = ""
    exit_code: int | None = None
    dataset: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return it for people."""
        told = [f"request  {self.state}{f': {self.message}' if self.message else ''}", f"page     {self.url}"]
        return [*told, *([f"dataset  {self.dataset}"] if self.dataset else [])]


@dataclass(frozen=True)
class Scheduled:
    """A schedule that was put up: the deployment's name, its page, and when it builds."""

    deployment: str
    url: str
    cron: str
    timezone: str

    def as_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return it for people."""
        return [f"schedule {self.cron} ({self.timezone}): {self.deployment}", f"page     {self.url}"]


@contextmanager
def reached() -> Iterator[SyncPrefectClient]:
    """Give a client of the server that PREFECT_API_URL names; raises MakeweightError if there is none."""
    if not PREFECT_API_URL.value():
        raise MakeweightError(
            "no Prefect server is named; start one with `prefect server start`, and set PREFECT_API_URL to its address,"
            " as in http://127.0.0.1:4200/api"
        )
    with server_explained(), get_client(sync_client=True) as client:
        yield client


def submit(spec: Spec, replace: bool, deployment: str = REQUESTS) -> Request:
    """Put a request in, as the deployment's form does, and return it; its credentials do not leave this process.

    Raises SpecError where the spec would ask for something else without what may be credentials.
    """
    told = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    refuse_relative(parse(Spec, told), "a request has no folder that it could start from")
    _refuse_altered(spec.whole(by_alias=True, exclude_unset=True), told)
    with reached() as client:
        parameters, key = {"spec": told, "replace": replace}, str(uuid4())

        def ask() -> FlowRun:
            return client.create_flow_run_from_deployment(
                _deployment(client, deployment).id, parameters=parameters, name=spec.name, idempotency_key=key
            )

        try:
            return request_of(_asked_again(ask))
        except PrefectHTTPStatusError as error:
            if error.response.status_code in WHO:
                raise
            raise _refused(error, deployment) from error


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


def _asked_again(ask: Callable[[], FlowRun]) -> FlowRun:
    """Return what `ask` returns; asks again while a server is too busy, as one on SQLite is with many at once."""
    for pause in PAUSES:
        try:
            return ask()
        except PrefectHTTPStatusError as error:
            if not error.response.is_server_error:
                raise
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 (so that not all come back at once)
    return ask()


def _deployment(client: SyncPrefectClient, name: str) -> Any:
    try:
        return client.read_deployment_by_name(name)
    except (ObjectNotFound, ValueError):
        raise MakeweightError(
            f"the server has no deployment {name!r}; put it up from makeweight's own folder with"
            f" `prefect work-pool create {POOL} --type process --base-job-template"
            " infra/work-pool.json` and"
            " `prefect deploy --all --prefect-file infra/prefect.yaml`"
        ) from None


def _refused(error: PrefectHTTPStatusError, deployment: str) -> MakeweightError:
    detail = error.response.json().get("detail") if error.response.is_client_error else None
    if error.response.status_code not in (409, 422):
        return MakeweightError(f"the Prefect server did not take the request: {error}")
    return SpecError(
        Fault(
            (), f"the deployment {deployment!r} takes no such spec: {detail}; is it of another version of makeweight?"
        )
    )


def request_of(run: FlowRun) -> Request:
    """Return what is known of a run that was asked for."""
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
        dataset=str(labels[DATASET]) if DATASET in labels else None,
    )


def wait(request: Request, say: Callable[[str], None]) -> Request:
    """Wait until the request has ended, and return it; `say` hears of each change, and of what keeps it waiting."""
    before, began, warned = request, time.monotonic(), False
    while True:
        with reached() as client:
            run = client.read_flow_run(UUID(request.id))
            now = request_of(run)
            if now.state != before.state:
                say(now.state)
            if now.exit_code is not None:
                return now
            if not warned and not run.start_time and time.monotonic() - began > ALONE_SECONDS:
                warned = _say_what_is_missing(client, run, say)
        before = now
        time.sleep(LOOK_SECONDS)


def _say_what_is_missing(client: SyncPrefectClient, run: FlowRun, say: Callable[[str], None]) -> bool:
    """Say why nobody takes a run; whether anything was said."""
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


def schedule(spec: Spec, place: str, overrides: Sequence[str], cron: CronSchedule, replace: bool) -> Scheduled:
    """Put up a deployment that builds the spec at `place` by this schedule; one of the same dataset is updated.

    Raises SpecError where the place or an override holds what may be credentials, which Prefect would keep and show.
    """
    for text in (place, *overrides):
        if all_redacted(text) != text:
            raise SpecError(Fault((), f"{redacted(text)!r} {_HOLDS}"))
    limit = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE)
    with reached() as client:
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
            parameters={"spec": place, "overrides": list(overrides), "replace": replace},
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


def cron_schedule(cron: str, timezone: str) -> CronSchedule:
    """Return the schedule; raises SpecError for a cron string or a time zone that is none."""
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
