"""Seals of what lies beside a dataset's shards: a file's own hash within it, by which a later change is noticed.

A seal is no signature: who writes there can write another one. It tells an edit, damage or another's file from what was
published. What earlier versions wrote bears none.
"""

import hashlib
import json
import re
from typing import TypeVar

from schemas.base import Noun

_WORD = "<!-- makeweight: this page has the SHA-256 "
SEALED_SINCE = (0, 1)
"""The version of makeweight since which records bear a seal."""
N = TypeVar("N", bound=Noun)


def sha256(data: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def with_seal(noun: N) -> N:
    """Return a record with its `seal`: the SHA-256 of all its other fields."""
    return noun.model_copy(update={"seal": _seal_of(noun.model_dump_json())})


def is_unbroken(data: bytes) -> bool:
    """Whether a record's JSON is what its seal says; true where it bears none, as those of earlier versions."""
    return json.loads(data).get("seal") in (None, _seal_of(data))


def is_sealed_or_older(data: bytes, written_by: str | None) -> bool:
    """Whether a record's JSON bears the seal that this version of makeweight gave it, or is of an earlier version."""
    if json.loads(data).get("seal") is not None:
        return True
    numbers = re.match(r"(\d+)\.(\d+)", written_by or "")
    return numbers is not None and tuple(map(int, numbers.groups())) < SEALED_SINCE


def _seal_of(text: str | bytes) -> str:
    fields = json.loads(text)
    fields.pop("seal", None)
    return sha256(json.dumps(fields, sort_keys=True).encode())


def with_line(page: str, of: str = "", word: str = _WORD) -> str:
    """Return a page of Markdown or HTML with a last line that seals it, and that it is `of` this thing.

    The line begins with the `word`.
    """
    return f"{page}{_line(page, of, word)}"


def has_line(page: str) -> bool:
    """Whether a page bears such a line, right or wrong."""
    return _WORD in page


def is_whole(page: str, of: str = "", word: str = _WORD) -> bool:
    """Whether a page is what its last line says."""
    body, start, rest = page.rpartition(word)
    return start + rest == _line(body, of, word)


def _line(page: str, of: str, word: str) -> str:
    digest = sha256(f"{of}\n{page}".encode())
    return f"{word}{digest} -->\n"
