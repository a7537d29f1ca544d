"""Commands that look at existing files: a source, a dataset, its versions, all builds below a folder."""

import os
from typing import Annotated

import typer

from flows.commands.console import Json, app, explained, print_json, show
from flows.screen import print_line


@app.command()
def init(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A file or folder of real rows, or a URI.")],
    label: Annotated[str | None, typer.Option(help="The class column; else it is looked for.")] = None,
    out: Annotated[str, typer.Option(help="The spec to write; no file is overwritten.")] = "spec.yaml",
    split: Annotated[str | None, typer.Option(help="Of a source with splits: train, valid, test, all.")] = None,
    format_: Annotated[str | None, typer.Option("--format", help="The source's format, where it is not seen.")] = None,
    annotations: Annotated[list[str] | None, typer.Option(help="COCO's files; repeat it for several.")] = None,
    json_: Json = False,
) -> None:
    """Look at a source and write a spec for it to start from."""
    with explained(json_):
        from flows.formatting import proposal_json, proposal_lines
        from pipelines.plan.propose import propose, taken, write_proposal

        if os.path.lexists(out):
            raise taken(out)
        named = annotations[0] if annotations and len(annotations) == 1 else annotations
        asked = {"split": split, "format": format_, "annotations": named}
        proposal = propose(source, label, out, {key: value for key, value in asked.items() if value})
        write_proposal(proposal)
        show(json_, proposal_json(proposal), proposal_lines(proposal))


@app.command()
def verify(
    path: Annotated[str, typer.Argument(metavar="DIR", help="A published dataset.")], json_: Json = False
) -> None:
    """Count and hash a published dataset again; say which shard is wrong."""
    with explained(json_):
        from pipelines.dataset.verify import verify as verify_dataset

        found = verify_dataset(path)
        if json_:
            print_json({"ok": not found.problems, "rows": found.rows, "problems": found.problems})
        elif not found.problems:
            shards = len(found.manifest.shards)
            print(f"ok: {found.rows:,} rows in {shards} shard(s), counts, hashes and content_hash agree")
        if found.problems:
            if not json_:
                print_line("\n".join(found.problems), error=True)
            raise typer.Exit(1)


@app.command()
def ls(
    folders: Annotated[list[str], typer.Argument(metavar="[FOLDER]...", help="Where to look; else here.")] = ["."],  # noqa: B006 typer needs the list
    json_: Json = False,
) -> None:
    """List the builds below folders: complete, damaged, unreadable, under way, unfinished, or of another version."""
    with explained(json_):
        from flows.formatting import build_lines, builds_json
        from pipelines.dataset.builds import find_builds

        builds = [build for folder in folders for build in find_builds(folder)]
        show(json_, builds_json(builds), build_lines(builds) or ["no builds here"])


@app.command()
def site(
    folders: Annotated[list[str], typer.Argument(metavar="FOLDER...", help="Where builds are.")],
    out: Annotated[str | None, typer.Option(metavar="DIR", help="Where index.html goes; else the folder.")] = None,
    json_: Json = False,
) -> None:
    """Write a web page over all builds below folders: index.html, which needs no server and no network."""
    with explained(json_):
        from flows.formatting import site_json, site_lines
        from pipelines.report.site import write_site

        written = write_site(folders, out)
        show(json_, site_json(written), site_lines(written))


@app.command("latest")
def latest_version(
    path: Annotated[str, typer.Argument(metavar="DIR", help="A dataset with versions.")], json_: Json = False
) -> None:
    """Print the folder of a dataset's newest version; it does not change any more, so read from it."""
    with explained(json_):
        from pipelines.dataset.versions import newest_folder

        folder = newest_folder(path)
        if json_:
            print_json({"path": folder.shown})
        else:
            print_line(folder.shown)


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A published dataset.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Another one, or a later one.")],
    json_: Json = False,
) -> None:
    """Say what differs between two published datasets; the exit code is 0 whether anything does or not."""
    with explained(json_):
        from flows.formatting import comparison_json, comparison_lines
        from pipelines.dataset.compare import compare_builds

        found = compare_builds(old, new)
        show(json_, comparison_json(found), comparison_lines(found))
