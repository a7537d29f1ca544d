"""Hashes data as JSON. Builds, models and specs are identified by this hash."""

import hashlib
import json
from typing import Any


def json_hash(data: Any, *, sort_keys: bool = True) -> str:
    """Return the SHA-256, in hex, of data as JSON; without `sort_keys` the order of its keys counts.

    Every build is stored under these hashes, so the way to compute them must not change.

    >>> json_hash({"b": 1, "a": 2}) == json_hash({"a": 2, "b": 1})
    True
    """
    return hashlib.sha256(json.dumps(data, sort_keys=sort_keys).encode()).hexdigest()
