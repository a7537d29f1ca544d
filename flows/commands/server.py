"""Commands that ask a Prefect server: for a dataset, for a schedule, for a message when a build fails."""

from typing import Annotated
from urllib.parse import urlsplit

import typer

from flows.commands.console import (
    Json,
    Overrides,
    SpecPath,
    app,
    be_quiet,
    explained,
    planned_spec,
    show,
    show_plan,
)
from flows.screen import Screen


@app.command()
def request(
    spec: SpecPath,
    set_: Overrides = [],  # noqa: B006 typer needs the list
    replace: Annotated[bool, typer.Option(help="Put this build in the place of another one.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait for the end; the exit code is then the build's.")] = False,
    json_: Json = False,
) -> None:
    """Ask a Prefect server's workers for the dataset; the spec is checked here first."""
    with explained(json_):
        from flows.deployed.client import send_request

        asked, made = planned_spec(spec, set_)
        out = Screen(stderr=json_)
        show_plan(out, made, brief=True)
        be_quiet()
        ended = send_request(asked, replace, wait, out)
        show(json_, ended.as_json(), ended.lines())
        if ended.exit_code:
            raise typer.Exit(ended.exit_code)


@app.command()
def schedule(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="The spec: a path that workers know too, or a URI.")],
    cron: Annotated[str, typer.Option(help="When to build: minute hour day month weekday.")],
    timezone: Annotated[str, typer.Option(help="The time zone of --cron, as in Europe/Berlin.")] = "UTC",
    set_: Overrides = [],  # noqa: B006 typer needs the list
    replace: Annotated[bool, typer.Option(help="Put each build in the place of the one before.")] = True,
    json_: Json = False,
) -> None:
    """Let a Prefect server build the spec again and again; what was scheduled for its dataset before is replaced."""
    with explained(json_):
        from flows.deployed.client import schedule_spec

        be_quiet()
        made = schedule_spec(spec, set_, cron, timezone, replace)
        show(json_, made.as_json(), made.lines())


@app.command()
def alert(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to post it, as JSON with the key `text`.")],
    json_: Json = False,
) -> None:
    """Let a Prefect server post a message whenever a requested or scheduled build fails."""
    with explained(json_):
        be_quiet()
        from flows.deployed.alert import create_alert

        told = {"automation": create_alert(url), "url": shown_hook(url)}
        show(json_, told, [f"each failed build is told to {shown_hook(url)}"])


def shown_hook(url: str) -> str:
    """Return the address of a webhook in the form that is shown, without its path, which is secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/***"
