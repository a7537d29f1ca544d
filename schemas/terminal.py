r"""What a terminal would obey, or show where it does not stand, in texts that may come from the data. Knows no command.

A class may be named so that it clears the screen, sets the window's title, or turns the line's direction. Such signs
are shown as what they are (`\x1b`, `\u202e`), and not dropped: two names stay two.
"""

import re

_OBEYED = re.compile("[\0-\t\v-\x1f\x7f-\x9f\xad\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters (C0 but for the end of a line, and C1), turns of the writing direction, half surrogate pairs."""


def escaped(text: str) -> str:
    """Return the text with what a terminal would obey written out; the ends of its lines stay."""
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], text)


def escaped_json(document: str) -> str:
    """Return a JSON document that says the same, with what a terminal would obey written as JSON writes it."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", document)
