"""Decides by a file's first bytes what it holds, if its name leaves that open."""

import codecs
import json
import re
from contextlib import suppress

from pipelines.source.kinds import begins_as_coco

BYTES = 1 << 16
"""The number of first bytes that are read."""
_LINES = 50
_HEADER = re.compile(rb'"[^"\n]*"(?: "[^"\n]*")+\r?(?:\n|$)')
UNNAMED = (".txt", ".dat", ".data")
"""Extensions of files that are tables if the spec says so."""


def as_text(head: bytes) -> bytes:
    """Return the first bytes without leading blanks and byte order mark, converted to UTF-8 from marked UTF-16."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        head = head.decode("utf-16", errors="ignore").encode()
    return head.removeprefix(codecs.BOM_UTF8).lstrip()


def holds_records(head: bytes) -> bool:
    """Whether a .json file is an array of records or has one record a line; COCO's is one object instead."""
    if head[:1] == b"[":
        return True
    with suppress(ValueError):
        return b"\n" in head and isinstance(json.loads(head.partition(b"\n")[0]), dict)
    return False


def holds_object(head: bytes) -> bool:
    """Whether a .json file is one object, as pandas writes tables by default, and holds no COCO annotations."""
    return head[:1] == b"{" and not begins_as_coco(head)


def holds_one(head: bytes) -> bool:
    """Whether a .json file seems to be one object that is one row."""
    return holds_object(head) and not (holds_records(head) and head.count(b"\n") > 1)


def quoted_header(head: bytes) -> bool:
    """Whether a table begins with quoted names separated by blanks, as R writes it."""
    return bool(_HEADER.match(head))


def table_in(head: bytes) -> str | None:
    """Return the format (tsv, csv) of a .txt file whose lines all have a delimiter equally often, or None."""
    lines = [line for line in head.splitlines()[:_LINES] if line.strip() and not line.startswith(b"#")]
    if len(head) == BYTES and len(lines) < _LINES:
        lines = lines[:-1]  # the last line may be cut off
    if len(lines) < 3:
        return None
    for delimiter, format_ in ((b"\t", "tsv"), (b";", "csv"), (b"|", "csv"), (b",", "csv")):
        counts = {line.count(delimiter) for line in lines}
        if len(counts) == 1 and 0 not in counts:
            return format_
    return "csv" if quoted_header(head) else None
