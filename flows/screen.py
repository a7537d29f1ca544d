"""The console of all commands. It escapes control characters, which names in a source may hold.

Texts are escaped here. Cells of tables are escaped where a table is made, since their width counts.
"""

import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from schemas.terminal import escaped


class Screen(Console):
    """A console that escapes what a terminal would obey."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does, with texts escaped."""
        super().print(*(escaped(one) if isinstance(one, str) else one for one in objects), **options)


def to_cell(text: str) -> Text:
    """Return a text as a cell or title of a table: escaped, in one line, and without markup."""
    return Text(escaped(text).replace("\n", "\\n"))


def print_line(line: str, *, error: bool = False) -> None:
    """Print a line to stdout, or to stderr if `error`, escaped and without markup."""
    print(escaped(line), file=sys.stderr if error else sys.stdout)
