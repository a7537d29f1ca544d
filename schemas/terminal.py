r"""Escapes control and direction characters in texts that may come from the data, before a terminal shows them.

The name of a class may clear the screen, set the window's title, or reverse the direction of a line. These characters
are written as escapes (`\x1b`, `\u202e`) and not dropped, so different names stay different.
"""

import re

_OBEYED = re.compile("[\0-\t\v-\x1f\x7f-\x9f\xad\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters (C0 without the line end, and C1), changes of writing direction, half surrogate pairs."""


def escaped(text: str) -> str:
    """Return the text with control and direction characters escaped; line ends stay."""
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], text)


def escaped_json(document: str) -> str:
    """Return an equal JSON document with control and direction characters written as JSON escapes."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", document)
