"""The parts that all commands share: the application, its options, the output of a plan and of a failure.

It imports what a command needs only when the command runs, so that `plan` answers at once.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from flows.interrupt import STOPPED, is_stop_requested, stop_if_requested
from flows.screen import Screen, print_line
from schemas.errors import MakeweightError
from schemas.terminal import escaped_json

if TYPE_CHECKING:
    from flows.display import LiveDisplay, PlainDisplay
    from schemas.plan import Plan
    from schemas.spec import Spec

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Balanced, validated, de-duplicated datasets, with synthetic rows where rows were missing.",
)
SpecPath = Annotated[str, typer.Argument(metavar="SPEC", help="The YAML file that says what to build.")]
Overrides = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the spec.")]
GpuPrice = Annotated[
    float | None,
    typer.Option(
        "--gpu-price",
        envvar="MAKEWEIGHT_GPU_PRICE",
        min=0,
        help="What an hour of a GPU costs, in any currency; then the cost is estimated too.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines.")]

QUIET = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # logs would break the display; the server keeps them
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # the server may start slowly on a busy machine
    "DO_NOT_TRACK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "NO_ALBUMENTATIONS_UPDATE": "1",
}
"""Settings that keep libraries quiet and stop their reports about a user's builds, unless the user sets others."""


def be_quiet() -> None:
    """Set each variable of `QUIET` that the user has not set."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def planned_spec(path: str, overrides: list[str]) -> "tuple[Spec, Plan]":
    """Read the spec and make its plan; an error names the line of the file."""
    from flows.spec_file import add_location, load_spec
    from pipelines.dataset.versions import plan_build

    spec, lines = load_spec(path, overrides)
    with add_location(path, lines):
        return spec, plan_build(spec)


def show_plan(
    console: Console,
    made: "Plan",
    to_run_here: "Spec | None" = None,
    gpu_price: float | None = None,
    *,
    brief: bool = False,
) -> None:
    """Print the plan, and an estimate of its time if `to_run_here` is the spec that this machine will build.

    The output describes each column, or if `brief` only the changes of each.
    """
    from flows.display import plan_notes, plan_table
    from flows.estimate import estimate_build, estimate_lines
    from pipelines.plan.column_notes import changes, column_lines

    likely = estimate_build(to_run_here, made, gpu_price) if to_run_here else None
    console.print(plan_table(made, likely))
    columns = changes(made.profile) if brief else ["", *column_lines(made), ""]
    for note in [*columns, *plan_notes(made), *(estimate_lines(made, likely) if to_run_here else [])]:
        console.print(note, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def running(console: Console, asked: "Spec", made: "Plan") -> Iterator[None]:
    """Run a flow with the plan `made` of the spec `asked`, and show its progress on the console."""
    from flows.build import use_plan
    from flows.progress import listen
    from flows.server import explain_server_errors
    from flows.stopping import StopWhenAsked
    from flows.timing import count_from_process_start

    stop_if_requested()
    with (
        _display(console) as display,
        listen(StopWhenAsked(), display),
        use_plan(asked, made),
        explain_server_errors(),
        count_from_process_start(),
    ):
        yield


def _display(console: Console) -> "LiveDisplay | PlainDisplay":
    from flows.display import LiveDisplay, PlainDisplay

    return LiveDisplay(console) if console.is_terminal else PlainDisplay(console)


def show(as_json: bool, data: Any, lines: list[str]) -> None:
    """Print `data` as JSON if `as_json`, else the lines unchanged."""
    if as_json:
        print_json(data)
    else:
        Screen().print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def print_json(data: Any) -> None:
    """Print one JSON document."""
    print(escaped_json(json.dumps(data, indent=2, ensure_ascii=False)))


@contextmanager
def explained(as_json: bool) -> Iterator[None]:
    """End with one plain message and an exit code after a MakeweightError, or if the user stops the command."""
    try:
        with _stopped_as_told():
            yield
    except MakeweightError as error:
        if as_json:
            print_json(error.record())
        else:
            print_line(f"makeweight: {error}", error=True)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        raise typer.Exit(1) from None


@contextmanager
def _stopped_as_told() -> Iterator[None]:
    """Turn any error after a request to stop into KeyboardInterrupt; pyarrow raises its own error on a signal."""
    try:
        yield
    except Exception as error:
        if is_stop_requested():
            raise KeyboardInterrupt from error
        raise
