"""Commands that plan, build and evaluate a dataset on this machine, or on the Ray cluster that it joins."""

import json
import os
from typing import Annotated

import typer

from flows.commands.console import (
    GpuPrice,
    Json,
    Overrides,
    SpecPath,
    app,
    be_quiet,
    explained,
    planned_spec,
    print_json,
    running,
    show_plan,
)
from flows.screen import Screen
from schemas.secrets import all_redacted

Replaced = Annotated[bool, typer.Option("--replace", help="Put this build in the place of another one of its name.")]
ReplacedOther = Annotated[
    str | None,
    typer.Option(
        "--replace-other", metavar="NAME", help="Put this build in the place of the dataset NAME, which is lost then."
    ),
]


@app.command()
def plan(
    spec: SpecPath,
    set_: Overrides = [],  # noqa: B006 typer needs the list
    gpu_price: GpuPrice = None,
    json_: Json = False,
) -> None:
    """Show how many rows of each class would be kept and made, and how long that takes. Starts and writes nothing."""
    with explained(json_):
        asked, made = planned_spec(spec, set_)
        if json_:
            from flows.estimate import estimate_build

            likely = estimate_build(asked, made, gpu_price)
            told = {**made.model_dump(mode="json"), "estimate": likely and likely.model_dump(mode="json")}
            print_json(all_redacted(told))
        else:
            show_plan(Screen(), made, asked, gpu_price)


@app.command()
def build(
    spec: SpecPath,
    set_: Overrides = [],  # noqa: B006 typer needs the list
    replace: Replaced = False,
    replace_other: ReplacedOther = None,
    json_: Json = False,
) -> None:
    """Build the dataset; a build that was stopped goes on where it was."""
    with explained(json_):
        asked, made = planned_spec(spec, set_)
        out = Screen(stderr=json_)
        from flows.display import result_notes, result_table
        from flows.preflight import refuse_taken, refuse_unready

        show_plan(out, made, asked, brief=True)
        be_quiet()
        refuse_taken(asked, made, replace_other or replace)
        refuse_unready(asked, made)
        from flows.build import build as build_flow
        from pipelines.storage.workspace import make_workspace
        from schemas.manifest import REPORT

        with running(out, asked, made):
            manifest = build_flow(asked, replace_other or replace)
        if json_:
            print_json(manifest.model_dump(mode="json"))
            return
        out.print(result_table(manifest))
        for note in result_notes(manifest):
            out.print(note, markup=False, highlight=False, soft_wrap=True)
        dataset = make_workspace(asked.output.path, made).output
        if asked.evaluate:
            from flows.evaluation_steps import load_evaluation

            out.print(load_evaluation(dataset).utility.verdict.sentence, markup=False, highlight=False, soft_wrap=True)
        report = dataset.at(REPORT).shown
        told = f"dataset  {dataset.shown}\nreport   {report}\ncheck    makeweight verify {dataset.shown}"
        out.print(told, markup=False, highlight=False, soft_wrap=True)


@app.command()
def evaluate(
    spec: SpecPath,
    test: Annotated[str | None, typer.Option(help="Real rows that the build never sees; else the spec's.")] = None,
    set_: Overrides = [],  # noqa: B006 typer needs the list
    replace: Replaced = False,
    replace_other: ReplacedOther = None,
    json_: Json = False,
) -> None:
    """Say whether the dataset helps a classifier more than cheaper remedies do; it is built first, if need be."""
    with explained(json_):
        asked, made = planned_spec(spec, [*set_, *_test_override(test)])
        out = Screen(stderr=json_)
        be_quiet()
        from flows.preflight import refuse_taken, refuse_unready

        refuse_taken(asked, made, replace_other or replace)
        refuse_unready(asked, made)
        from flows.display import fidelity_table, utility_table
        from flows.evaluate import evaluate as evaluate_flow
        from pipelines.storage.workspace import make_workspace
        from schemas.evaluation import EVALUATION_PAGE

        with running(out, asked, made):
            evaluation = evaluate_flow(asked, replace_other or replace)
        if json_:
            print_json(evaluation.model_dump(mode="json"))
            return
        utility = evaluation.utility
        out.print(utility_table(made.name, utility))
        if evaluation.fidelity:
            out.print(fidelity_table(made.name, evaluation.fidelity))
        page = f"report   {make_workspace(asked.output.path, made).output.at(EVALUATION_PAGE).shown}"
        told = [utility.verdict.sentence, *(f"note     {note}" for note in utility.notes), page]
        out.print("\n".join(told), markup=False, highlight=False, soft_wrap=True)


def _test_override(test: str | None) -> list[str]:
    """Return `--test` as an override of the spec; unlike paths in the spec it starts where the command runs."""
    if test is None:
        return []
    from pipelines.storage.folder import is_uri

    path = test if is_uri(test) else os.path.abspath(os.path.expanduser(test))
    return [f"evaluate.test={json.dumps(path)}"]
