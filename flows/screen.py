"""The console of all commands: nothing that it prints is obeyed by a terminal, whatever names of the source hold.

Texts are written out here; the cells of tables where a table is made, since their width counts.
"""

import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from schemas.terminal import escaped


class Screen(Console):
    """A console that writes out what a terminal would obey."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does, texts written out."""
        super().print(*(escaped(one) if isinstance(one, str) else one for one in objects), **options)


def shown(text: str) -> Text:
    """Return a text as a cell, or a table's title: written out, in one line, and without markup."""
    return Text(escaped(text).replace("\n", "\\n"))


def say(line: str, *, error: bool = False) -> None:
    """Print a line as it is, but for what a terminal would obey."""
    print(escaped(line), file=sys.stderr if error else sys.stdout)
