"""The work of `makeweight request` and `makeweight schedule`: check, submit, wait, print."""

import os
from collections.abc import Sequence

from rich.console import Console

from flows.deployed.deployments import Request, Scheduled, deploy_schedule, parse_cron, submit_request, wait_for_request
from flows.deployed.schedules import read_spec
from pipelines.dataset.versions import plan_build
from pipelines.storage.folder import is_uri
from schemas.errors import MakeweightError
from schemas.spec import Spec


def send_request(spec: Spec, replace: bool, waits: bool, console: Console) -> Request:
    """Submit a request; if `waits`, wait for its end, and print its states on the console."""

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    made = submit_request(spec, replace)
    if not waits:
        return made
    say(f"requested: {made.url}")
    try:
        return wait_for_request(made, say)
    except KeyboardInterrupt:
        raise MakeweightError(f"no longer waiting; the request goes on: {made.url}") from None


def schedule_spec(path: str, overrides: Sequence[str], cron: str, timezone: str, replace: bool) -> Scheduled:
    """Check the cron string and the spec, and deploy the schedule."""
    when = parse_cron(cron, timezone)
    whole = path if is_uri(path) else os.path.abspath(os.path.expanduser(path))
    spec = read_spec(whole, overrides, lambda _: None)  # it is the user who asks
    plan_build(spec)
    return deploy_schedule(spec, whole, overrides, when, replace)
