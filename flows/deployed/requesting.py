"""What `makeweight request` and `makeweight schedule` do, from the spec to what they show."""

import os
from collections.abc import Sequence

from rich.console import Console

from flows.deployed.deployments import Request, Scheduled, deploy_schedule, parse_cron, submit_request, wait_for_request
from flows.deployed.scheduled import read_spec
from pipelines.dataset.versions import plan_build
from pipelines.storage.folder import is_uri
from schemas.errors import MakeweightError
from schemas.spec import Spec


def send_request(spec: Spec, replace: bool, waits: bool, console: Console) -> Request:
    """Put a request in, and wait for its end where that is asked for; what happens meanwhile is told on the console."""

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


def schedule_spec(place: str, overrides: Sequence[str], cron: str, timezone: str, replace: bool) -> Scheduled:
    """Check the schedule and the spec, and put up a deployment that builds it again and again."""
    when = parse_cron(cron, timezone)
    whole = place if is_uri(place) else os.path.abspath(os.path.expanduser(place))
    spec = read_spec(whole, overrides)
    plan_build(spec)
    return deploy_schedule(spec, whole, overrides, when, replace)
