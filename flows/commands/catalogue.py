"""Commands that say what a spec may choose from: generators and validators, with their parameters and needs."""

from typing import Annotated

import typer

from flows.commands.console import Json, app, explained, show


@app.command("generators")
def list_generators(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One of them, or your own module:Class.")] = None,
    json_: Json = False,
) -> None:
    """List the generators; of one, print its parameters, needs and licence."""
    with explained(json_):
        from flows.catalogue import entries_json, entry_lines, generator_entries, list_lines

        entries = generator_entries(name)
        show(json_, entries_json(entries), entry_lines(entries[0]) if name else list_lines(entries))


@app.command("validators")
def list_validators(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One of them, or your own module:Class.")] = None,
    json_: Json = False,
) -> None:
    """List the validators of each modality; of one, print its parameters."""
    with explained(json_):
        from flows.catalogue import entries_json, entry_lines, list_lines, validator_entries

        entries = validator_entries(name)
        several = [line for entry in entries for line in [*entry_lines(entry), ""]][:-1]
        show(json_, entries_json(entries), several if name else list_lines(entries))
