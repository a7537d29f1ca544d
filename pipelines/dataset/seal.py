"""Seals of the files beside a dataset's shards: each holds a hash of its own text, which shows a later change.

A seal shows edits, damage and foreign files. It is no signature: whoever may write the file can write another seal.
Files of earlier versions of makeweight have none.
"""

import hashlib
import json
import re
from typing import TypeVar

from schemas.base import Noun
from schemas.hashing import json_hash

_WORD = "<!-- makeweight: this page has the SHA-256 "
SEALED_SINCE = (0, 1)
"""The version of makeweight since which records bear a seal."""
N = TypeVar("N", bound=Noun)


def sha256(data: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def add_seal(noun: N) -> N:
    """Return a copy of a record with its `seal`: the SHA-256 of all its other fields."""
    return noun.model_copy(update={"seal": _hash_fields(noun.model_dump_json())})


def is_record_intact(data: bytes) -> bool:
    """Whether a record's JSON agrees with its seal; True for a record without one, as earlier versions wrote it."""
    return json.loads(data).get("seal") in (None, _hash_fields(data))


def is_sealed_or_older(data: bytes, written_by: str | None) -> bool:
    """Whether a record's JSON bears the seal that this version of makeweight gave it, or is of an earlier version."""
    if json.loads(data).get("seal") is not None:
        return True
    numbers = re.match(r"(\d+)\.(\d+)", written_by or "")
    return numbers is not None and tuple(map(int, numbers.groups())) < SEALED_SINCE


def _hash_fields(text: str | bytes) -> str:
    fields = json.loads(text)
    fields.pop("seal", None)
    return json_hash(fields)


def seal_page(page: str, of: str = "", word: str = _WORD) -> str:
    """Return a page of Markdown or HTML with a seal as its last line, which begins with `word`.

    The seal is the SHA-256 of the page and of the text `of`, which says what the page is about.
    """
    return f"{page}{_make_seal_line(page, of, word)}"


def has_page_seal(page: str) -> bool:
    """Whether a page has a seal, right or wrong."""
    return _WORD in page


def is_page_intact(page: str, of: str = "", word: str = _WORD) -> bool:
    """Whether a page agrees with the seal in its last line."""
    body, start, rest = page.rpartition(word)
    return start + rest == _make_seal_line(body, of, word)


def _make_seal_line(page: str, of: str, word: str) -> str:
    digest = sha256(f"{of}\n{page}".encode())
    return f"{word}{digest} -->\n"
