"""Example rows for Prefect's page of a build, as Markdown: real ones beside made ones. Knows no shards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.report.templating import markdown
from pipelines.report.wording import cell
from schemas.manifest import Manifest

ROWS, COLUMNS, TEXT, LOOKED_AT = 4, 12, 160, 2_000
"""Rows of each origin, columns of a row, characters of a cell that are shown, at most; rows that are read for it."""
Rows = list[dict[str, Any]]
Draw = Callable[[list[str], int, int], tuple[Rows, Rows]]
"""Returns some real rows and some made ones as dicts of the named columns: so many of each, of so many first ones."""


@dataclass(frozen=True)
class Page:
    """A page: Markdown, the end of its key, and a title."""

    markdown: str
    key: str
    title: str


def row_page(manifest: Manifest, draw: Draw) -> Page:
    """Return a table of rows."""
    names = [column.name for column in manifest.columns][:COLUMNS]
    real, made = draw(names, ROWS, LOOKED_AT)
    more = len(manifest.columns) - len(names)
    lines = [
        f"Some rows of **{markdown(manifest.name)}**, {manifest.origin} ones below real ones.",
        "",
        table_line(["origin", *names]),
        f"|{' --- |' * (len(names) + 1)}",
        *(table_line(["real", *(cell(row[name], TEXT).text for name in names)]) for row in real),
        *(table_line([manifest.origin, *(cell(row[name], TEXT).text for name in names)]) for row in made),
        *(["", f"{more:,} more columns are not shown."] if more > 0 else []),
    ]
    return Page("\n".join(lines), "rows", f"{manifest.name}: some real and {manifest.origin} rows")


def table_line(cells: Sequence[str]) -> str:
    """Return a row of a table in Markdown, in which a source's text is no markup."""
    return f"| {' | '.join(markdown(one, TEXT) for one in cells)} |"
