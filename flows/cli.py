"""The command line: plan, build, evaluate, verify and what helps with them.

Turns an explained failure into one plain message and exit code. Imports what a command
needs when it runs, so that `plan` answers at once.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from schemas.errors import MakeweightError
from schemas.secrets import all_redacted

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
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # it would break into the display; the server keeps the lines
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # its own server may start slowly on a busy machine
    "DO_NOT_TRACK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "NO_ALBUMENTATIONS_UPDATE": "1",
}
"""Nothing is reported to anyone about a user's builds, unless the user sets these otherwise."""


@app.command()
def init(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A file or folder of real rows, or a URI.")],
    label: Annotated[str | None, typer.Option(help="The class column; else it is looked for.")] = None,
    out: Annotated[str, typer.Option(help="The spec to write; no file is overwritten.")] = "spec.yaml",
    json_: Json = False,
) -> None:
    """Look at a source and write a spec for it to start from."""
    with _explained(json_):
        from flows.listing import proposal_json, proposal_lines
        from pipelines.propose import propose, taken, write_proposal

        if os.path.lexists(out):
            raise taken(out)
        proposal = propose(source, label, out)
        write_proposal(proposal)
        _show(json_, proposal_json(proposal), proposal_lines(proposal))


@app.command()
def plan(
    spec: SpecPath,
    set_: Overrides = [],  # noqa: B006 typer needs the list
    gpu_price: GpuPrice = None,
    json_: Json = False,
) -> None:
    """Show how many rows of each class would be kept and made, and how long that takes. Starts and writes nothing."""
    with _explained(json_):
        asked, made = _plan(spec, set_)
        if json_:
            from flows.estimate import estimated

            likely = estimated(asked, made, gpu_price)
            told = {**made.model_dump(mode="json"), "estimate": likely and likely.model_dump(mode="json")}
            _print_json(all_redacted(told))
        else:
            _show_plan(Console(), made, asked, gpu_price)


@app.command()
def build(
    spec: SpecPath,
    set_: Overrides = [],  # noqa: B006 typer needs the list
    replace: Annotated[bool, typer.Option(help="Put this build in the place of another one.")] = False,
    json_: Json = False,
) -> None:
    """Build the dataset; a build that was stopped goes on where it was."""
    with _explained(json_):
        asked, made = _plan(spec, set_)
        out = Console(stderr=json_)
        from flows.display import result_notes, result_table

        _show_plan(out, made, asked)
        _be_quiet()
        from flows.build import build as build_flow
        from pipelines.publish import REPORT
        from pipelines.workspace import workspace

        with _running(out, made):
            manifest = build_flow(asked, replace)
        if json_:
            _print_json(manifest.model_dump(mode="json"))
            return
        out.print(result_table(manifest))
        for note in result_notes(manifest):
            out.print(note, markup=False, highlight=False, soft_wrap=True)
        dataset = workspace(asked.output.path, made).output
        if asked.evaluate:
            from flows.utility import kept_evaluation

            out.print(kept_evaluation(dataset).utility.verdict.sentence, markup=False, highlight=False, soft_wrap=True)
        report = dataset.at(REPORT).shown
        told = f"dataset  {dataset.shown}\nreport   {report}\ncheck    makeweight verify {dataset.shown}"
        out.print(told, markup=False, highlight=False, soft_wrap=True)


@app.command()
def evaluate(
    spec: SpecPath,
    test: Annotated[str | None, typer.Option(help="Real rows that the build never sees; else the spec's.")] = None,
    set_: Overrides = [],  # noqa: B006 typer needs the list
    replace: Annotated[bool, typer.Option(help="Put this build in the place of another one.")] = False,
    json_: Json = False,
) -> None:
    """Say whether the dataset helps a classifier more than cheaper remedies do; it is built first, if need be."""
    with _explained(json_):
        asked, made = _plan(spec, [*set_, *_test_override(test)])
        out = Console(stderr=json_)
        _be_quiet()
        from flows.display import fidelity_table, utility_table
        from flows.evaluate import evaluate as evaluate_flow
        from flows.utility import EVALUATION_PAGE
        from pipelines.workspace import workspace

        with _running(out, made):
            evaluation = evaluate_flow(asked, replace)
        if json_:
            _print_json(evaluation.model_dump(mode="json"))
            return
        utility = evaluation.utility
        out.print(utility_table(made.name, utility))
        if evaluation.fidelity:
            out.print(fidelity_table(made.name, evaluation.fidelity))
        page = f"report   {workspace(asked.output.path, made).output.at(EVALUATION_PAGE).shown}"
        told = [utility.verdict.sentence, *(f"note     {note}" for note in utility.notes), page]
        out.print("\n".join(told), markup=False, highlight=False, soft_wrap=True)


@app.command()
def verify(
    path: Annotated[str, typer.Argument(metavar="DIR", help="A published dataset.")], json_: Json = False
) -> None:
    """Count and hash a published dataset again; say which shard is wrong."""
    with _explained(json_):
        from pipelines.verify import verify as verify_dataset

        found = verify_dataset(path)
        if json_:
            _print_json({"ok": not found.problems, "rows": found.rows, "problems": found.problems})
        elif not found.problems:
            shards = len(found.manifest.shards)
            print(f"ok: {found.rows:,} rows in {shards} shard(s), counts, hashes and content_hash agree")
        if found.problems:
            if not json_:
                print("\n".join(found.problems), file=sys.stderr)
            raise typer.Exit(1)


@app.command()
def ls(
    folders: Annotated[list[str], typer.Argument(metavar="[FOLDER]...", help="Where to look; else here.")] = ["."],  # noqa: B006 typer needs the list
    json_: Json = False,
) -> None:
    """List the builds below folders: complete, damaged, under way, unfinished, or of another version."""
    with _explained(json_):
        from flows.listing import build_lines, builds_json
        from pipelines.builds import find_builds

        builds = [build for folder in folders for build in find_builds(folder)]
        _show(json_, builds_json(builds), build_lines(builds) or ["no builds here"])


@app.command()
def site(
    folders: Annotated[list[str], typer.Argument(metavar="FOLDER...", help="Where builds are.")],
    out: Annotated[str | None, typer.Option(metavar="DIR", help="Where index.html goes; else the folder.")] = None,
    json_: Json = False,
) -> None:
    """Write a web page over all builds below folders: index.html, which needs no server and no network."""
    with _explained(json_):
        from flows.listing import site_json, site_lines
        from pipelines.site import write_site

        written = write_site(folders, out)
        _show(json_, site_json(written), site_lines(written))


@app.command("latest")
def latest_version(
    path: Annotated[str, typer.Argument(metavar="DIR", help="A dataset with versions.")], json_: Json = False
) -> None:
    """Print the folder of a dataset's newest version; it does not change any more, so read from it."""
    with _explained(json_):
        from pipelines.versions import newest_folder

        folder = newest_folder(path)
        if json_:
            _print_json({"path": folder.shown})
        else:
            print(folder.shown)


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A published dataset.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Another one, or a later one.")],
    json_: Json = False,
) -> None:
    """Say what differs between two published datasets; the exit code is 0 whether anything does or not."""
    with _explained(json_):
        from flows.listing import comparison_json, comparison_lines
        from pipelines.compare_builds import compare_builds

        found = compare_builds(old, new)
        _show(json_, comparison_json(found), comparison_lines(found))


@app.command()
def request(
    spec: SpecPath,
    set_: Overrides = [],  # noqa: B006 typer needs the list
    replace: Annotated[bool, typer.Option(help="Put this build in the place of another one.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait for the end; the exit code is then the build's.")] = False,
    json_: Json = False,
) -> None:
    """Ask a Prefect server's workers for the dataset; the spec is checked here first."""
    with _explained(json_):
        from flows.requesting import ask

        asked, made = _plan(spec, set_)
        out = Console(stderr=json_)
        _show_plan(out, made)
        _be_quiet()
        ended = ask(asked, replace, wait, out)
        _show(json_, ended.as_json(), ended.lines())
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
    with _explained(json_):
        from flows.requesting import put_up

        _be_quiet()
        made = put_up(spec, set_, cron, timezone, replace)
        _show(json_, made.as_json(), made.lines())


@app.command()
def alert(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to post it, as JSON with the key `text`.")],
    json_: Json = False,
) -> None:
    """Let a Prefect server post a message whenever a requested or scheduled build fails."""
    with _explained(json_):
        _be_quiet()
        from flows.alert import put_up_alert
        from schemas.secrets import redacted

        told = {"automation": put_up_alert(url), "url": redacted(url)}
        _show(json_, told, [f"each failed build is told to {redacted(url)}"])


def _test_override(test: str | None) -> list[str]:
    """Return `--test` as an override of the spec; unlike paths in the spec it starts where the command runs."""
    if test is None:
        return []
    from pipelines.storage import is_uri

    path = test if is_uri(test) else os.path.abspath(os.path.expanduser(test))
    return [f"evaluate.test={json.dumps(path)}"]


def _be_quiet() -> None:
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def _show_plan(
    console: Console, made: "Plan", to_run_here: "Spec | None" = None, gpu_price: float | None = None
) -> None:
    """Print the plan; of a spec that this machine is to build, how long that takes too."""
    from flows.display import plan_notes, plan_table
    from flows.estimate import estimate_lines, estimated

    likely = estimated(to_run_here, made, gpu_price) if to_run_here else None
    console.print(plan_table(made, likely))
    for note in [*plan_notes(made), *(estimate_lines(made, likely) if to_run_here else [])]:
        console.print(note, markup=False, highlight=False, soft_wrap=True)


def _plan(path: str, overrides: list[str]) -> "tuple[Spec, Plan]":
    from flows.spec_file import load_spec, located
    from pipelines.plan import make_plan

    spec, lines = load_spec(path, overrides)
    with located(path, lines):
        return spec, make_plan(spec)


@contextmanager
def _running(console: Console, made: "Plan") -> Iterator[None]:
    """Run a flow by a plan that was just made, with its progress on the console."""
    from flows.build import planned
    from flows.interrupt import stopping
    from flows.progress import listening
    from flows.server import server_explained
    from flows.timekeeper import counting_the_start

    with (
        _display(console) as display,
        stopping(),
        listening(display),
        planned(made),
        server_explained(),
        counting_the_start(),
    ):
        yield


def _display(console: Console) -> "LiveDisplay | PlainDisplay":
    from flows.display import LiveDisplay, PlainDisplay

    return LiveDisplay(console) if console.is_terminal else PlainDisplay(console)


def _show(as_json: bool, data: Any, lines: list[str]) -> None:
    """Print the data for machines, or the lines for people as they are."""
    if as_json:
        _print_json(data)
    else:
        Console().print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _print_json(data: Any) -> None:
    print(json.dumps(data, indent=2, ensure_ascii=False))


@contextmanager
def _explained(as_json: bool) -> Iterator[None]:
    try:
        yield
    except MakeweightError as error:
        if as_json:
            _print_json({"error": str(error), "exit_code": error.exit_code})
        else:
            print(f"makeweight: {error}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        print("makeweight: stopped; run the same command again to go on where it was", file=sys.stderr)
        raise typer.Exit(1) from None


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
